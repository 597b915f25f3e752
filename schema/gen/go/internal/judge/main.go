// Command judge prints verdicts over the corpus: `judge TESTDATA` writes {file: {schema, config, kept}}.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"aob.dev/go/aob"
)

type verdict struct {
	Schema []string `json:"schema"`
	Config []string `json:"config"`
	Kept   any      `json:"kept,omitempty"`
}

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(testdata string) error {
	verdicts := map[string]verdict{}
	judges := map[string]func([]byte) (any, error){
		"":      func(data []byte) (any, error) { return workflow(data) },
		"patch": func(data []byte) (any, error) { return aob.ParsePatchRequest(data) },
		"event": func(data []byte) (any, error) { return event(data) },
	}
	for folder, judge := range judges {
		for _, part := range []string{"valid", "invalid"} {
			paths, err := filepath.Glob(filepath.Join(testdata, folder, part, "*.json"))
			if err != nil {
				return err
			}
			for _, path := range paths {
				document, err := read(path, part)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				name, err := filepath.Rel(testdata, path)
				if err != nil {
					return err
				}
				schema := cmp.Or(folder, "workflow")
				if verdicts[name], err = judged(schema, judge, document); err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

// read gives the document of a file; in an invalid case it is one field among others.
func read(path, part string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil || part == "valid" {
		return data, err
	}
	var found struct {
		Document json.RawMessage `json:"document"`
	}
	return found.Document, json.Unmarshal(data, &found)
}

func judged(schema string, judge func([]byte) (any, error), document []byte) (verdict, error) {
	found := verdict{Schema: []string{}, Config: []string{}}
	findings, err := aob.Validate(schema, document)
	if err != nil {
		return found, err
	}
	found.Schema = words(findings)
	kept, err := judge(document)
	var invalid *aob.Invalid
	switch {
	case err == nil:
		found.Kept = kept
	case !errors.As(err, &invalid):
		return found, err
	case len(findings) == 0:
		found.Config = words(invalid.Findings)
	}
	return found, nil
}

func words(findings []aob.Finding) []string {
	lines := make([]string, len(findings))
	for at, one := range findings {
		lines[at] = one.Pointer + ": " + one.Message
	}
	return lines
}

// workflow gives the document again, with each config through its typed view.
func workflow(data []byte) (any, error) {
	read, err := aob.ParseWorkflow(data)
	if err != nil {
		return nil, err
	}
	for at := range read.Spec.Nodes {
		node := &read.Spec.Nodes[at]
		if len(node.Config) == 0 {
			continue
		}
		config, err := node.Decode()
		if err != nil {
			return nil, err
		}
		if _, other := config.(*aob.OtherConfig); other {
			continue
		}
		if node.Config, err = json.Marshal(config); err != nil {
			return nil, err
		}
	}
	return read, nil
}

// event gives the event again, with each change through its typed view.
func event(data []byte) (any, error) {
	read, err := aob.ParseEvent(data)
	if err != nil {
		return nil, err
	}
	for at, change := range read.Changes {
		known, err := change.Decode()
		if err != nil {
			return nil, err
		}
		if read.Changes[at], err = json.Marshal(known); err != nil {
			return nil, err
		}
	}
	return read, nil
}
