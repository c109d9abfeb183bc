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
# Longer lists of hops are read anew each time: a client may write them, and a cache of them would be its memory.
_CACHED_BYTES = 256
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def identify(head: RequestHead, view: View, now: float, *, x_api_key: bool = False) -> KeyRecord:
    """The key that `head` carries, `now` in seconds since the epoch; `x_api_key`: in that header, too.

    Raises Refusal: `invalid_api_key`, or `permission_denied` for a key whose scopes leave `inference` out.
    """
    credential = head.authorization
    if x_api_key and head.api_key:
        # Two keys on one request: which of them pays is nobody's to guess.
        credential = b"" if credential else _SCHEME + head.api_key
    if head.ambiguous_authorization:
        raise Refusal("invalid_api_key", _MESSAGE)
    # A key is worked out once a snapshot (3 µs): good ones alone are kept, so there are no more of them than keys, and
    # what is looked up by a hash of all of it tells nobody by its time how much of a guess was right.
    key = view.verified.get(credential) or _verified(credential, view, now)
    if key.expires_at is not None and now >= key.expires_at:
        raise Refusal("invalid_api_key", _MESSAGE)
    if key.scopes and INFERENCE not in key.scopes:
        raise Refusal("permission_denied", "This key may not call models.")
    return key


def _verified(credential: bytes, view: View, now: float) -> KeyRecord:
    key = None
    if credential.startswith(_SCHEME):
        key = verify(view.keys, view.pepper, credential[len(_SCHEME) :].decode("latin-1"), now)
    if key is None:
        raise Refusal("invalid_api_key", _MESSAGE)
    view.verified[credential] = key
    return key


def client_ip(peer: str, forwarded_for: bytes, trusted: tuple[Network, ...]) -> str:
    """The address of the client: the peer's, or behind trusted proxies the rightmost that is not one of them."""
    if not forwarded_for or not _is_trusted(peer, trusted):
        return peer
    if len(forwarded_for) > _CACHED_BYTES:
        return _rightmost_untrusted(peer, forwarded_for, trusted)
    return _rightmost_untrusted_cached(peer, forwarded_for, trusted)


def _rightmost_untrusted(peer: str, forwarded_for: bytes, trusted: tuple[Network, ...]) -> str:
    address = peer
    for hop in reversed(forwarded_for.decode("latin-1").split(",")):
        parsed = _address(hop.strip())
        if parsed is None:
            return address  # not an address: what stands left of it cannot be believed either
        address = str(parsed)
        if not _is_trusted(address, trusted):
            return address
    return address


_rightmost_untrusted_cached = lru_cache(maxsize=4096)(_rightmost_untrusted)


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    parsed = _address(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _address(text: str) -> Address | None:
    """An address; IPv4 in IPv6's clothes as IPv4. A zone is any text its writer likes, so none is taken."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.scope_id is not None:
            return None
        return parsed.ipv4_mapped or parsed
    return parsed
