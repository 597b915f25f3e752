// Package good compiles and is exhaustive; the packages beside it have one fault each.
package good

import "aob.dev/go/aob"

// Count reads a field by its name.
func Count(spec aob.Spec) int { return len(spec.Nodes) }

// Title tells every built-in type.
func Title(config aob.NodeConfig) string {
	switch config := config.(type) {
	case *aob.AgentConfig:
		return config.Model
	case *aob.ApprovalConfig:
		return config.Title
	case *aob.DelayConfig, *aob.ExecConfig, *aob.ForeachConfig, *aob.HttpConfig, *aob.JobConfig, *aob.LoopConfig:
		return "work"
	case *aob.NoopConfig, *aob.TransformConfig, *aob.WorkflowConfig:
		return "work"
	case *aob.OtherConfig:
		return config.Type
	}
	return ""
}
