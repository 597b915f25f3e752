# expect: AgentNode
from typing_extensions import assert_never

from aob_schema.nodes import (
    ApprovalNode,
    DelayNode,
    ExecNode,
    ForeachNode,
    HttpNode,
    JobNode,
    KnownNode,
    LoopNode,
    NoopNode,
    TransformNode,
    WorkflowNode,
)


def title(node: KnownNode) -> str:
    match node:
        case ApprovalNode():
            return node.config.title
        case DelayNode() | ExecNode() | ForeachNode() | HttpNode() | JobNode() | LoopNode():
            return node.id
        case NoopNode() | TransformNode() | WorkflowNode():
            return node.id
        case _:
            assert_never(node)
