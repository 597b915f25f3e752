"""Verdicts over the corpus: `judge.py TESTDATA` prints {file: {schema, config, kept}}."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

import aob_schema
from aob_schema import InvalidDocument, parse_event, parse_patch_request, parse_workflow
from aob_schema.models import Workflow


def words(invalid: InvalidDocument) -> list[str]:
    return [f"{pointer}: {message}" for pointer, message in invalid.findings]


def judged(parse, document) -> dict:
    try:
        model = parse(document)
    except InvalidDocument as invalid:
        return {"schema": words(invalid), "config": []}
    return {"schema": [], "config": [], "kept": kept(model)}


def kept(model: BaseModel) -> object:
    """The document again; each node goes through its typed view as well."""
    document = model.dump()
    if isinstance(model, Workflow):
        document["spec"]["nodes"] = [aob_schema.parse(node).dump() for node in model.spec.nodes]
    return document


def workflow(document) -> dict:
    verdict = judged(parse_workflow, document)
    if not verdict["schema"]:
        return verdict
    try:
        Workflow.model_validate(document)
    except ValueError:
        return verdict
    return {"schema": [], "config": verdict["schema"]}


def main(testdata: Path) -> None:
    verdicts = {}
    judges = {
        "": workflow,
        "patch": lambda document: judged(parse_patch_request, document),
        "event": lambda document: judged(parse_event, document),
    }
    for folder, judge in judges.items():
        for part in ("valid", "invalid"):
            for path in sorted((testdata / folder / part).glob("*.json")):
                read = json.loads(path.read_text(encoding="utf-8"))
                document = read if part == "valid" else read["document"]
                verdicts[str(path.relative_to(testdata))] = judge(document)
    json.dump(verdicts, sys.stdout)


main(Path(sys.argv[1]))
