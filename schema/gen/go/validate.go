package aob

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// MaxBytes is the size of a document beyond which it is not read.
const MaxBytes = 16 << 20

// Finding is one fault of a document.
type Finding struct {
	// Pointer says where, as a JSON pointer.
	Pointer string `json:"pointer"`
	// Message says what is wrong there.
	Message string `json:"message"`
}

// Invalid is the error of a document that is refused; it holds every fault.
type Invalid struct {
	Findings []Finding
}

// Error lists the findings.
func (i *Invalid) Error() string {
	lines := make([]string, len(i.Findings))
	for at, one := range i.Findings {
		lines[at] = fmt.Sprintf("%s: %s", one.Pointer, one.Message)
	}
	return strings.Join(lines, "; ")
}

//go:embed schemas.json
var schemas []byte

// compiled gives each schema by its name, such as workflow or node-types/http.
var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	var sources map[string]json.RawMessage
	if err := json.Unmarshal(schemas, &sources); err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	found := make(map[string]*jsonschema.Schema, len(sources))
	for name, source := range sources {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
		if err != nil {
			return nil, err
		}
		if err := compiler.AddResource(location(name), document); err != nil {
			return nil, err
		}
	}
	for name := range sources {
		schema, err := compiler.Compile(location(name))
		if err != nil {
			return nil, err
		}
		found[name] = schema
	}
	return found, nil
})

func location(name string) string { return "https://aob.dev/schema/v1alpha1/" + name + ".schema.json" }

// Validate gives every fault of data by one schema: workflow, patch, event, or node-types/ and the
// name of a built-in type, for its config.
func Validate(schema string, data []byte) ([]Finding, error) { return judge(schema, data, "") }

// judge gives every fault of data by the schema called name, each below pointer.
func judge(name string, data []byte, pointer string) ([]Finding, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%d bytes are more than %d", len(data), MaxBytes)
	}
	all, err := compiled()
	if err != nil {
		return nil, err
	}
	schema, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("no schema is called %q", name)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	err = schema.Validate(document)
	var refused *jsonschema.ValidationError
	if errors.As(err, &refused) {
		return leaves(refused, pointer, nil), nil
	}
	return nil, err
}

// leaves collects the faults that have no cause below them.
func leaves(fault *jsonschema.ValidationError, pointer string, found []Finding) []Finding {
	if len(fault.Causes) == 0 {
		var place strings.Builder
		place.WriteString(pointer)
		for _, step := range fault.InstanceLocation {
			place.WriteByte('/')
			place.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
		}
		return append(found, Finding{Pointer: place.String(), Message: words(fault)})
	}
	for _, cause := range fault.Causes {
		found = leaves(cause, pointer, found)
	}
	return found
}

// words is what the validator says, without the place and the schema's address.
func words(fault *jsonschema.ValidationError) string {
	output := fault.BasicOutput()
	if output.Error != nil {
		return output.Error.String()
	}
	if len(output.Errors) > 0 && output.Errors[0].Error != nil {
		return output.Errors[0].Error.String()
	}
	return fault.Error()
}
