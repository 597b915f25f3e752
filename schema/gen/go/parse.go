package aob

import (
	"encoding/json"
	"fmt"
)

// ParseWorkflow judges a workflow in JSON: the document, then the config of every node of a
// built-in type. What is refused gives *Invalid with every fault.
func ParseWorkflow(data []byte) (*Workflow, error) {
	workflow, err := parse[Workflow]("workflow", data)
	if err != nil {
		return nil, err
	}
	var found []Finding
	for at := range workflow.Spec.Nodes {
		findings, err := workflow.Spec.Nodes[at].configFindings(fmt.Sprintf("/spec/nodes/%d", at))
		if err != nil {
			return nil, err
		}
		found = append(found, findings...)
	}
	if len(found) > 0 {
		return nil, &Invalid{found}
	}
	return workflow, nil
}

// ParsePatchRequest judges a request to patch a run, in JSON.
func ParsePatchRequest(data []byte) (*PatchRequest, error) {
	return parse[PatchRequest]("patch", data)
}

// ParseEvent judges one event of a run, in JSON.
func ParseEvent(data []byte) (*Event, error) { return parse[Event]("event", data) }

func parse[T any](name string, data []byte) (*T, error) {
	findings, err := judge(name, data, "")
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, &Invalid{findings}
	}
	into := new(T)
	return into, decode(plainNumbers(data), into)
}

// configFindings gives the faults of the config of a node of a built-in type.
func (n *Node) configFindings(pointer string) ([]Finding, error) {
	all, err := compiled()
	if err != nil {
		return nil, err
	}
	name := "node-types/" + n.Type
	if _, known := all[name]; !known {
		return nil, nil
	}
	return judge(name, n.configOrEmpty(), pointer+"/config")
}

func (n *Node) configOrEmpty() json.RawMessage {
	if len(n.Config) == 0 {
		return json.RawMessage("{}")
	}
	return n.Config
}

func decodeConfig[T NodeConfig](n *Node, into T) (NodeConfig, error) {
	findings, err := n.configFindings("")
	if err != nil {
		return nil, err
	}
	if len(findings) > 0 {
		return nil, &Invalid{findings}
	}
	if err := decode(plainNumbers(n.configOrEmpty()), into); err != nil {
		return nil, err
	}
	return into, nil
}
