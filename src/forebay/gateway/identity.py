"""Who calls: the key behind `Authorization`, and the address behind the proxies."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from forebay.gateway.refusal import Refusal
from forebay.gateway.snapshot import KeyRecord
from forebay.gateway.view import Network, View
from forebay.security.keys import verify
from forebay.wire.request import RequestHead

_SCHEME = b"Bearer "
# One text for every reason: whoever has no valid key learns nothing about the keys there are.
_MESSAGE = "Send a valid API key as `Authorization: Bearer fb_…`."
INFERENCE = "inference"


def identify(head: RequestHead, view: View, now: float) -> KeyRecord:
    """The key that `head` carries, `now` in seconds since the epoch.

    Raises Refusal: `invalid_api_key`, or `permission_denied` for a key whose scopes leave `inference` out.
    """
    credential = head.authorization
    if head.ambiguous_authorization or not credential.startswith(_SCHEME):
        raise Refusal("invalid_api_key", _MESSAGE)
    key = verify(view.keys, view.pepper, credential[len(_SCHEME) :].decode("latin-1"), now)
    if key is None:
        raise Refusal("invalid_api_key", _MESSAGE)
    if key.scopes and INFERENCE not in key.scopes:
        raise Refusal("permission_denied", "This key may not call models.")
    return key


def client_ip(peer: str, forwarded_for: bytes, trusted: tuple[Network, ...]) -> str:
    """The address of the client: the peer's, or behind trusted proxies the rightmost that is not one of them."""
    if not forwarded_for or not _is_trusted(peer, trusted):
        return peer
    return _rightmost_untrusted(peer, forwarded_for, trusted)


@lru_cache(maxsize=4096)
def _rightmost_untrusted(peer: str, forwarded_for: bytes, trusted: tuple[Network, ...]) -> str:
    address = peer
    for hop in reversed(forwarded_for.decode("latin-1").split(",")):
        try:
            address = str(ipaddress.ip_address(hop.strip()))
        except ValueError:
            return address  # not an address: what stands left of it cannot be believed either
        if not _is_trusted(address, trusted):
            return address
    return address


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
