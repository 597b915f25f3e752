"""Reading of whole documents, with every finding and its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, Union, cast

from pydantic import TypeAdapter, ValidationError

from .base import Model
from .models import Event, Node, PatchRequest, Workflow
from .nodes import KNOWN_TYPES, KnownNode

T = TypeVar("T", bound=Model)

_KNOWN: TypeAdapter[KnownNode] = TypeAdapter(KnownNode)


class Finding(NamedTuple):
    """One fault: where it is, as a JSON pointer, and what is wrong there."""

    pointer: str
    message: str


class InvalidDocument(ValueError):
    """A document that is refused, with all that is wrong with it."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("; ".join(f"{pointer or '/'}: {message}" for pointer, message in findings))
        self.findings = findings


def parse_workflow(document: Mapping[str, Any]) -> Workflow:
    """Judges a workflow: the document, then the config of every node of a built-in type."""
    workflow = _read(Workflow, document)
    findings = [
        finding
        for at, node in enumerate(workflow.spec.nodes)
        for finding in config_findings(node, f"/spec/nodes/{at}")
    ]
    if findings:
        raise InvalidDocument(findings)
    return workflow


def parse_patch_request(document: Mapping[str, Any]) -> PatchRequest:
    """Judges a request to patch a run."""
    return _read(PatchRequest, document)


def parse_event(document: Mapping[str, Any]) -> Event:
    """Judges one event of a run."""
    return _read(Event, document)


def parse(node: Node) -> Union[KnownNode, Node]:
    """The typed view of a node; the node itself if its type is not built in.

    Raises InvalidDocument if the type is built in and its schema refuses the config.
    """
    if node.type not in KNOWN_TYPES:
        return node
    return _known(node, "")


def config_findings(node: Node, pointer: str = "") -> list[Finding]:
    """What is wrong with the config of a node; nothing if its type is not built in."""
    if node.type not in KNOWN_TYPES:
        return []
    try:
        _known(node, pointer)
    except InvalidDocument as invalid:
        return invalid.findings
    return []


def _known(node: Node, pointer: str) -> KnownNode:
    document = node.dump()
    try:
        # A node without config has the empty one, which its type may refuse.
        return _KNOWN.validate_python(document, by_alias=True, by_name=False)
    except ValidationError as error:
        raise InvalidDocument(_findings(error, document, pointer)) from None


def _read(model: type[T], document: Mapping[str, Any]) -> T:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidDocument(_findings(error, document, "")) from None


def _findings(error: ValidationError, document: object, pointer: str) -> list[Finding]:
    found: list[Finding] = []
    for one in error.errors(include_url=False, include_input=False):
        place = pointer + _pointer(one["loc"], document)
        found.append(Finding(place, one["msg"].removeprefix("Value error, ")))
    return found


def _pointer(loc: Sequence[int | str], document: object) -> str:
    """The part of a location that is in the document: pydantic names union members as well."""
    steps: list[str] = []
    at: object = document
    for step in loc:
        found = _child(at, step)
        # A field that is missing has its place too.
        is_missing = step == loc[-1] and isinstance(step, str) and _is_object(at)
        if found is None and not is_missing:
            continue
        at = None if found is None else found[0]
        steps.append(str(step).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{step}" for step in steps)


def _is_object(value: object) -> bool:
    return isinstance(value, Mapping)


def _child(at: object, step: int | str) -> tuple[object] | None:
    """What lies below a list or an object; None if there is no such thing."""
    if isinstance(step, int) and isinstance(at, list):
        items = cast("list[object]", at)
        return (items[step],) if step < len(items) else None
    if isinstance(step, str) and isinstance(at, Mapping):
        fields = cast("Mapping[str, object]", at)
        return (fields[step],) if step in fields else None
    return None
