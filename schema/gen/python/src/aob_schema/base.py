"""What every model of the language has in common."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast, get_args

from pydantic import BaseModel, ConfigDict, model_validator
from typing_extensions import Self

from .rules import RULES, Rules


class Model(BaseModel):
    """A model that reads what the JSON Schema accepts and nothing else.

    Types are taken as they are written: the string "4" is no number. A field that is absent stays
    apart from one that is null; `dump` writes only what was set.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        validate_by_alias=True,
        validate_by_name=True,
    )

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Reads a document. Fields have the names of the document here, as in `onError`."""
        return super().model_validate(obj, **_by_document(options))

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Reads a document from JSON text."""
        return super().model_validate_json(json_data, **_by_document(options))

    def dump(self) -> dict[str, Any]:
        """The document that this was read from or stands for: only what was set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    @model_validator(mode="before")
    @classmethod
    def _rules(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        fields = cast("Mapping[str, Any]", data)
        for key in _never_null(cls):
            if key in fields and fields[key] is None:
                raise ValueError(f"`{key}` is null: leave it out instead")
        rules = RULES.get(cls.__name__)
        if rules is not None:
            _judge(rules, fields)
        return {key: _plain(value) for key, value in fields.items()}


def _by_document(options: dict[str, Any]) -> dict[str, Any]:
    """Names of Python such as `on_error` are for constructors, not for documents."""
    return {"by_alias": True, "by_name": False, **options}


@cache
def _never_null(model: type[BaseModel]) -> frozenset[str]:
    """The keys whose value may be absent but not null: all but those of any shape."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        if field.annotation is not Any and Any not in get_args(field.annotation):
            keys.update({name, field.alias or name})
    return frozenset(keys)


def _plain(value: object) -> object:
    """An integer that was written with a fraction, as in 2.0, is an integer."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    return value


def _judge(rules: Rules, data: Mapping[str, Any]) -> None:
    if len(data) < rules.least:
        raise ValueError(f"needs at least {rules.least} field(s)")
    if rules.most is not None and len(data) > rules.most:
        raise ValueError(f"takes at most {rules.most} field(s)")
    for key, most in rules.maps:
        entries: Any = data.get(key)
        if isinstance(entries, Mapping) and len(cast("Mapping[str, Any]", entries)) > most:
            raise ValueError(f"`{key}` takes at most {most} entries")
    for key, other in rules.excludes:
        if key in data and other in data:
            raise ValueError(f"`{key}` and `{other}` do not stand beside each other")
