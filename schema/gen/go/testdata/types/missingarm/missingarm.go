// Package missingarm compiles, and is not exhaustive.
// expect: AgentConfig
package missingarm

import "aob.dev/go/aob"

// Title forgets agents.
func Title(config aob.NodeConfig) string {
	switch config := config.(type) {
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
