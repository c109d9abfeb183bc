"""Whether a text is the JSON that a call asked for. Pure.

The schema is a client's: patterns are matched in linear time, and a reference to elsewhere is not followed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from jsonschema_rs import Validator


def fits(text: str, response_format: dict[str, Any]) -> bool:
    """Whether `text` is a JSON object, under `json_schema` one that is valid; false where that cannot be told."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    if response_format.get("type") == "json_object":
        return type(value) is dict
    schema = (response_format.get("json_schema") or {}).get("schema")
    if schema is None:
        return True
    validator = _validator(orjson.dumps(schema))
    try:
        return validator is not None and validator.is_valid(value)
    except ValueError:  # nested too deeply to be looked at
        return False


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> Validator | None:
    """None for a schema that is none. Kept by its text: programs send the same one with every call."""
    import jsonschema_rs  # noqa: PLC0415  5 MB that only a cascade of structured answers needs

    try:
        return jsonschema_rs.validator_for(
            orjson.loads(schema), pattern_options=jsonschema_rs.RegexOptions(), retriever=_retrieve_nothing
        )
    except (ValueError, jsonschema_rs.ReferencingError):
        return None


def _retrieve_nothing(uri: str) -> Any:
    raise ValueError(uri)
