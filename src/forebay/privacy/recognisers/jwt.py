"""JSON web tokens and keys of that family, by the header that every one begins with."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import Error

from forebay.privacy.recogniser import CERTAIN, NO, Found, Recogniser, recognisers

_MEMBERS = ("alg", "typ", "kid", "enc", "cty", "jku", "jwk", "x5c", "x5t", "x5u", "zip", "b64", "crit", "apu", "epk")


def _judge(found: Found) -> float:
    """It begins an object with a member that such headers have."""
    try:
        begun = urlsafe_b64decode(found.text[:16]).decode("latin-1")
    except Error:
        return NO
    return CERTAIN if begun.lstrip("{ \r\n\t").startswith(tuple(f'"{name}"' for name in _MEMBERS)) else NO


recognisers.add("jwt")(
    Recogniser(pattern=r"(?:^|[^A-Za-z0-9_-])(e[yw][A-Za-z0-9_-]{18})", judge=_judge, extends=r"A-Za-z0-9_\-")
)
