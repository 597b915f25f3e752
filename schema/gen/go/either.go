package aob

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// StringOr is a value that may also be given by a string: a template `${ .. }`, or the short form
// of a list.
type StringOr[T any] struct {
	// Value is what is meant, if Text is nil.
	Value T
	// Text is the string, if one was written.
	Text *string
}

// Of makes a StringOr of a value.
func Of[T any](value T) *StringOr[T] { return &StringOr[T]{Value: value} }

// Text makes a StringOr of a string.
func Text[T any](text string) *StringOr[T] { return &StringOr[T]{Text: &text} }

// UnmarshalJSON reads a string as Text and anything else as Value.
func (s *StringOr[T]) UnmarshalJSON(data []byte) error {
	*s = StringOr[T]{}
	if first(data) == '"' {
		return json.Unmarshal(data, &s.Text)
	}
	return decode(data, &s.Value)
}

// MarshalJSON writes what was read.
func (s StringOr[T]) MarshalJSON() ([]byte, error) {
	if s.Text != nil {
		return json.Marshal(*s.Text)
	}
	return json.Marshal(s.Value)
}

// OneOrMany is a value or a list of such.
type OneOrMany[T any] struct {
	// Values holds the list, or the one value.
	Values []T
	// IsList says that a list was written.
	IsList bool
}

// UnmarshalJSON reads a list as such and anything else as one value.
func (o *OneOrMany[T]) UnmarshalJSON(data []byte) error {
	*o = OneOrMany[T]{IsList: first(data) == '['}
	if o.IsList {
		return decode(data, &o.Values)
	}
	o.Values = make([]T, 1)
	return decode(data, &o.Values[0])
}

// MarshalJSON writes what was read. It fails if there is not exactly one value and no list.
func (o OneOrMany[T]) MarshalJSON() ([]byte, error) {
	if o.IsList {
		return json.Marshal(o.Values)
	}
	if len(o.Values) != 1 {
		return nil, fmt.Errorf("%d values are a list: set IsList", len(o.Values))
	}
	return json.Marshal(o.Values[0])
}

// Scalar is a string, a number or a boolean that is sent as text.
type Scalar struct {
	raw json.RawMessage
}

// ScalarOf makes a Scalar of a string, a boolean or a number.
func ScalarOf[T string | bool | int64 | float64](value T) (Scalar, error) {
	raw, err := json.Marshal(value)
	return Scalar{raw}, err
}

// String is the text that is sent: strings as they are, all else as JSON.
func (s Scalar) String() string {
	var text string
	if json.Unmarshal(s.raw, &text) == nil {
		return text
	}
	return string(s.raw)
}

// UnmarshalJSON keeps the value as it is written.
func (s *Scalar) UnmarshalJSON(data []byte) error {
	switch first(data) {
	case '{', '[', 'n':
		return fmt.Errorf("%s is no string, number or boolean", data)
	}
	s.raw = bytes.Clone(data)
	return nil
}

// MarshalJSON writes what was read.
func (s Scalar) MarshalJSON() ([]byte, error) {
	if len(s.raw) == 0 {
		return []byte(`""`), nil
	}
	return s.raw, nil
}

// Change is one change of an event as it stands; Decode gives its typed view.
type Change json.RawMessage

// UnmarshalJSON keeps the change as it is written.
func (c *Change) UnmarshalJSON(data []byte) error {
	*c = bytes.Clone(data)
	return nil
}

// MarshalJSON writes what was read.
func (c Change) MarshalJSON() ([]byte, error) {
	if len(c) == 0 {
		return []byte("null"), nil
	}
	return c, nil
}

// first is the first byte of a JSON value.
func first(data []byte) byte {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 {
		return 0
	}
	return data[0]
}
