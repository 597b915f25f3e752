// Package typo must not compile.
// expect: spec.Nods undefined
package typo

import "aob.dev/go/aob"

// Count has a typing error.
func Count(spec aob.Spec) int { return len(spec.Nods) }
