"""A request's body as one strict value: bounded, no member twice, and none that is not the caller's to set."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from starlette.requests import Request

from forebay.admin.answers import Refused, forbidden
from forebay.admin.connection import BODY_BYTES
from forebay.security.json_object import BadJson, read_object

T = TypeVar("T")


async def read_body(request: Request, kind: type[T]) -> T:
    """The body as `kind`. Raises Refused: 413, 400, and 403 for members that `kind` does not have."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_BYTES:
            raise Refused(413, "body_too_large", f"A body has at most {BODY_BYTES} bytes.")
    try:
        values = read_object(bytes(content) or b"{}", BODY_BYTES)
    except BadJson as error:
        raise Refused(400, "invalid_json", f"The body is {error}.") from None
    known = {field.name for field in msgspec.structs.fields(kind)}  # type: ignore[arg-type]  # kinds are structs
    if not values.keys() <= known:
        raise forbidden("The body sets what is not the caller's to set.")
    try:
        return msgspec.convert(values, kind, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(400, "invalid_value", str(error)) from None
