# Passes as it stands; each file beside it has one fault and must not.
from typing_extensions import assert_never

from aob_schema import parse
from aob_schema.models import Edge, Node, Spec, Workflow
from aob_schema.nodes import (
    AgentNode,
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


def count(workflow: Workflow) -> int:
    return len(workflow.spec.nodes)


def made() -> Spec:
    return Spec(nodes=[Node(id="a", type="noop", on_error="fail")], edges=[Edge(from_="a", to="b")])


def url(node: Node) -> str | None:
    view = parse(node)
    return view.config.url if isinstance(view, HttpNode) else None


def title(node: KnownNode) -> str:
    match node:
        case AgentNode():
            return node.config.model
        case ApprovalNode():
            return node.config.title
        case DelayNode() | ExecNode() | ForeachNode() | HttpNode() | JobNode() | LoopNode():
            return node.id
        case NoopNode() | TransformNode() | WorkflowNode():
            return node.id
        case _:
            assert_never(node)
