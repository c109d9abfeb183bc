"""What every part of the schema shares: strictness and the types of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from forebay.core.units import duration_s, show_duration, show_size, size_bytes
from forebay.messages import _


class Section(BaseModel):
    """A mapping of the file: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def _written(parse: Callable[[str], float]) -> BeforeValidator:
    def read(value: Any) -> Any:
        if isinstance(value, str):
            return parse(value)
        raise ValueError(_("{value!r} has no unit: write it with one, such as 30s or 8GiB").format(value=value))

    return BeforeValidator(read)


Seconds = Annotated[float, _written(duration_s), PlainSerializer(show_duration), Field(ge=0)]
"""A duration as written (`30s`); seconds inside."""

Bytes = Annotated[int, _written(size_bytes), PlainSerializer(show_size), Field(ge=0)]
"""A size as written (`8GiB`); bytes inside."""

Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
"""Lower-case letters, digits, dots, dashes; at most 64. Safe as a file name, a label and a host name."""

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$")]
"""A model's public name, such as `Qwen/Qwen3-VL-235B-A22B`."""

SecretRef = Annotated[str, Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")]
"""Where a secret lies: `env:NAME` or `file:PATH`. The secret itself is never in the file and never printed."""
