package aob

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
)

// decode reads one JSON value and refuses fields that the type does not have.
func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// decodeOpen reads the fields of a struct and gives the further ones as they stand.
func decodeOpen(data []byte, into any) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	own := map[string]json.RawMessage{}
	for name := range names(into) {
		if value, ok := all[name]; ok {
			own[name] = value
			delete(all, name)
		}
	}
	fields, err := json.Marshal(own)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		all = nil
	}
	return all, decode(fields, into)
}

// encodeOpen writes the fields of a struct and the further ones, which do not hide a field.
func encodeOpen(fields any, extra map[string]json.RawMessage) ([]byte, error) {
	data, err := json.Marshal(fields)
	if err != nil || len(extra) == 0 {
		return data, err
	}
	all := make(map[string]json.RawMessage, len(extra))
	own := names(fields)
	for name, value := range extra {
		if !own[name] {
			all[name] = value
		}
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}

// names lists the JSON names of a struct's fields.
func names(of any) map[string]bool {
	kind := reflect.TypeOf(of)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	found := make(map[string]bool, kind.NumField())
	for at := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(at).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			found[name] = true
		}
	}
	return found
}
