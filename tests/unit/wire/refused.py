"""What a check of a body refuses, and how it says so."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.wire.openai import BadField, Shape, check_fields


def refused(fields: dict[str, Any], shape: Shape) -> tuple[str, str]:
    """The field that is refused, and the code."""
    with pytest.raises(BadField) as bad:
        check_fields(fields, shape)
    return bad.value.field, bad.value.code
