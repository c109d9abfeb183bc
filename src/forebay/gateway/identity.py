"""Who calls: the key or the token behind `Authorization`, what it may do, and the address behind the proxies."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from forebay.core.networks import Network, plain_address
from forebay.gateway.refusal import Refusal
from forebay.gateway.routes import Route
from forebay.gateway.view import Caller, View
from forebay.security.certificate_grant import CertificateGrant
from forebay.security.keys import PREFIX, verify
from forebay.security.network import NetworkRules, Networks, compiled
from forebay.security.roles import INFERENCE, READ_MODELS
from forebay.security.tokens import BadToken, Bearer, check_token, written_down
from forebay.wire.request import RequestHead

_SCHEME = b"Bearer "
# No header holds NUL: what follows it was not sent as a credential, but passed on by a proxy that is believed.
_CERTIFICATE = b"\0"
_KEY_SCHEME = _SCHEME + PREFIX.encode()
# One text for every reason: whoever has no valid key learns nothing about the keys there are.
_MESSAGE = "Send a valid API key as `Authorization: Bearer fb_…`."
# Longer lists of hops are read anew each time: a client may write them, and a cache of them would be its memory.
_CACHED_BYTES = 256
_MOST_TOKENS = 8192
_MAY_NOT = {INFERENCE: "This key may not call models.", READ_MODELS: "This key may not list models."}


def identify(head: RequestHead, view: View, now: float, route: Route, address: str, peer: str = "") -> Caller:
    """Who asks for `route` from `address`, `now` in seconds since the epoch; `peer` is who is connected.

    Raises Refusal: `invalid_api_key`, `keys_unavailable`, or `permission_denied` where nobody may call from there.
    """
    if view.networks is not None and not view.networks.admits(address):
        raise Refusal("permission_denied", "Calls from this address are not taken.")
    credential = head.authorization
    if route.x_api_key and head.api_key:
        # Two keys on one request: which of them pays is nobody's to guess.
        credential = b"" if credential else _SCHEME + head.api_key
    if head.client_certificate and not credential and view.shown is not None and _is_trusted(peer, view.trusted):
        credential = _CERTIFICATE + head.client_certificate
    if head.ambiguous_authorization:
        raise Refusal("invalid_api_key", _MESSAGE)
    # A key is worked out once a snapshot (3 µs, a token 100): good ones alone are kept, so there are no more of them
    # than keys, and of tokens a bounded number. What is looked up by a hash of all of it tells nobody by its time how
    # much of a guess was right.
    caller = view.verified.get(credential) or _verified(credential, view, now)
    if caller.expires_at is not None and now >= caller.expires_at:
        raise Refusal("invalid_api_key", _MESSAGE)
    return caller


def admit(caller: Caller, route: Route, address: str) -> None:
    """Refusal `permission_denied` for a known caller that may not do that, or not from there."""
    if route.action not in caller.access.actions:
        raise Refusal("permission_denied", _MAY_NOT[route.action])
    if caller.places and not all(place.admits(address) for place in caller.places):
        raise Refusal("permission_denied", "This key may not be used from this address.")


def permit(caller: Caller, model: str) -> str:
    """The model's name again; Refusal `permission_denied` for a caller that may use other models only."""
    if not caller.access.permits(INFERENCE, model):
        raise Refusal("permission_denied", "This key may not call this model.", param="model")
    return model


def _verified(credential: bytes, view: View, now: float) -> Caller:
    if credential.startswith(_KEY_SCHEME):
        caller = _by_key(credential[len(_SCHEME) :].decode("latin-1"), view, now)
    elif view.issuers and credential.startswith(_SCHEME):
        caller = _by_token(credential[len(_SCHEME) :], view, now)
    elif credential.startswith(_CERTIFICATE):
        caller = _by_certificate(credential[1:], view, now)
    else:
        caller = None
    if caller is None:
        if view.undecided and credential.startswith(_SCHEME):
            raise Refusal("keys_unavailable", "Whether this key is good cannot be told now.", retry_after_s=5)
        raise Refusal("invalid_api_key", _MESSAGE)
    if len(view.verified) >= _MOST_TOKENS + len(view.keys):
        view.verified.pop(next(iter(view.verified)), None)
    view.verified[credential] = caller
    return caller


def _by_key(key: str, view: View, now: float) -> Caller | None:
    record = verify(view.keys, view.pepper, key, now)
    if record is None or now < record.not_before:
        return None
    access = view.roles.access(record.scopes)
    own = compiled(NetworkRules(allow=record.networks))
    return Caller(
        **msgspec.structs.asdict(record),
        access=access,
        places=_places(record.tenant, view) if own is None else (own, *_places(record.tenant, view)),
        bounded=(INFERENCE, "") not in access.allowed,
    )


def _by_token(token: bytes, view: View, now: float) -> Caller | None:
    try:
        bearer = check_token(token, view.issuers, view.revoked, now)
    except BadToken as bad:
        if bad.issuer:
            view.unknown_keys.add(bad.issuer)
        return None
    return _granted(bearer, bearer.id, bearer.expires_at, view)


def _by_certificate(header: bytes, view: View, now: float) -> Caller | None:
    found = None if view.shown is None else view.shown(header, datetime.fromtimestamp(now, UTC))
    name = None if found is None else next((each for each in found.names if each in view.certificates), None)
    if found is None or name is None:
        return None
    grant = view.certificates[name]
    identity = f"cert.{written_down(view.pepper, 'cert', grant.tenant, name)[:16]}"
    return _granted(grant, identity, found.expires_at, view)


def _granted(grant: Bearer | CertificateGrant, identity: str, expires_at: float, view: View) -> Caller:
    """A caller without a key of ours: its scopes say all that it may do."""
    access = view.roles.access(grant.scopes, unscoped=False)
    return Caller(
        id=identity,
        digest="",
        tenant=grant.tenant,
        scopes=grant.scopes,
        expires_at=expires_at,
        access=access,
        places=_places(grant.tenant, view),
        bounded=(INFERENCE, "") not in access.allowed,
    )


def _places(tenant: str, view: View) -> tuple[Networks, ...]:
    found = view.tenant_networks.get(tenant)
    return () if found is None else (found,)


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
        parsed = plain_address(hop.strip())
        if parsed is None:
            return address  # not an address: what stands left of it cannot be believed either
        address = str(parsed)
        if not _is_trusted(address, trusted):
            return address
    return address


_rightmost_untrusted_cached = lru_cache(maxsize=4096)(_rightmost_untrusted)


@lru_cache(maxsize=4096)
def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    parsed = plain_address(address)
    return parsed is not None and any(parsed in network for network in trusted)
