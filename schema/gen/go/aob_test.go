package aob

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func document(node string) []byte {
	return []byte(`{"apiVersion":"aob.dev/v1alpha1","kind":"Workflow","metadata":{"name":"w"},"spec":{"nodes":[` + node + `]}}`)
}

func TestFindingsNamePlaceAndField(t *testing.T) {
	_, err := ParseWorkflow(document(`{"id":"a","type":"http","config":{"uri":"x"}}`))
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("%v is no *Invalid", err)
	}
	if text := err.Error(); !strings.Contains(text, "/spec/nodes/0/config: ") || !strings.Contains(text, "uri") || !strings.Contains(text, "url") {
		t.Fatal(text)
	}
}

func TestNamesAreMatchedAsWritten(t *testing.T) {
	for _, node := range []string{`{"ID":"a","type":"noop"}`, `{"id":"a","type":"noop","ONERROR":"fail"}`} {
		if _, err := ParseWorkflow(document(node)); err == nil {
			t.Error(node)
		}
	}
}

func TestAbsentEmptyAndNullStayApart(t *testing.T) {
	for _, node := range []string{
		`{"config":{"value":null},"id":"a","type":"transform"}`,
		`{"config":{"assert":"true"},"id":"a","type":"transform"}`,
		`{"config":{},"id":"a","labels":{},"type":"noop"}`,
		`{"id":"a","type":"noop"}`,
	} {
		read, err := ParseWorkflow(document(node))
		if err != nil {
			t.Fatal(node, err)
		}
		config, err := read.Spec.Nodes[0].Decode()
		if err != nil {
			t.Fatal(node, err)
		}
		if read.Spec.Nodes[0].Config != nil {
			if read.Spec.Nodes[0].Config, err = json.Marshal(config); err != nil {
				t.Fatal(err)
			}
		}
		written, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		var before, after any
		if json.Unmarshal(document(node), &before) != nil || json.Unmarshal(written, &after) != nil {
			t.Fatal(string(written))
		}
		if first, second := canonical(t, before), canonical(t, after); first != second {
			t.Errorf("%s became %s", first, second)
		}
	}
}

func canonical(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFurtherFieldsAreKept(t *testing.T) {
	text := `{"annotations":{"a":"b"},"name":"w","uid":"1"}`
	var metadata Metadata
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Name != "w" || string(metadata.Extra["uid"]) != `"1"` {
		t.Fatalf("%+v", metadata)
	}
	if written := canonical(t, metadata); written != text {
		t.Fatal(written)
	}
}

func TestAnotherTypeIsKept(t *testing.T) {
	node := Node{ID: "a", Type: "acme.enrich", Config: json.RawMessage(`{"any":"thing"}`)}
	config, err := node.Decode()
	other, ok := config.(*OtherConfig)
	if err != nil || !ok || other.Type != "acme.enrich" {
		t.Fatal(config, err)
	}
}

func TestEveryKnownTypeIsDecodedAndJudged(t *testing.T) {
	for _, kind := range KnownTypes() {
		node := Node{ID: "a", Type: kind}
		config, err := node.Decode()
		if kind == "noop" && err != nil || kind != "noop" && err == nil {
			t.Errorf("%s without config: %v, %v", kind, config, err)
		}
		if _, other := config.(*OtherConfig); other {
			t.Errorf("%s is not decoded", kind)
		}
	}
}

func TestSeveralShapes(t *testing.T) {
	for _, text := range []string{`"2xx"`, `201`, `["2xx",404]`, `[]`} {
		var expect OneOrMany[StringOr[int64]]
		if err := json.Unmarshal([]byte(text), &expect); err != nil {
			t.Fatal(text, err)
		}
		if written := canonical(t, expect); written != text {
			t.Errorf("%s became %s", text, written)
		}
	}
	for _, text := range []string{`5`, `2.50`, `true`, `"5"`} {
		var scalar Scalar
		if err := json.Unmarshal([]byte(text), &scalar); err != nil {
			t.Fatal(text, err)
		}
		if written := canonical(t, scalar); written != text || scalar.String() != strings.Trim(text, `"`) {
			t.Errorf("%s became %s", text, written)
		}
	}
	if json.Unmarshal([]byte(`[1]`), new(Scalar)) == nil {
		t.Error("a list is no scalar")
	}
}

func TestAnIntegerMayBeWrittenWithAFraction(t *testing.T) {
	node := `{"id":"a","type":"http","config":{"url":"1.0\"2.0","expect":[2.00e2,"2xx"],"json":2.5},"retry":{"attempts":2.0,"factor":1.5}}`
	read, err := ParseWorkflow(document(node))
	if err != nil {
		t.Fatal(err)
	}
	if attempts := read.Spec.Nodes[0].Retry.Attempts; attempts != 2 {
		t.Error(attempts)
	}
	config, err := read.Spec.Nodes[0].Decode()
	if err != nil {
		t.Fatal(err)
	}
	if written := canonical(t, config); written != `{"expect":[200,"2xx"],"json":2.5,"url":"1.0\"2.0"}` {
		t.Error(written)
	}
	for _, text := range []string{`9007199254740993.0`, `1e300`, `-0.5`, `"2.0\\\\"`} {
		if made := string(plainNumbers([]byte(text))); made != text {
			t.Errorf("%s became %s", text, made)
		}
	}
}
