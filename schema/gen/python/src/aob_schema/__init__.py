"""The workflow language of AOB: pydantic models, readers and the typed view of nodes."""

from .base import Model
from .models import *  # noqa: F403
from .nodes import *  # noqa: F403
from .parse import (
    Finding,
    InvalidDocument,
    config_findings,
    parse,
    parse_event,
    parse_patch_request,
    parse_workflow,
)

__all__ = [
    "Finding",
    "InvalidDocument",
    "Model",
    "config_findings",
    "parse",
    "parse_event",
    "parse_patch_request",
    "parse_workflow",
]
