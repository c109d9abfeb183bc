"""One certificate from an ACME authority, by HTTP-01: account, order, challenges. It blocks for a while."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from forebay.messages import _
from forebay.security.acme.account import AccountKey
from forebay.security.names import server_name
from forebay.security.pem import private_pem

if TYPE_CHECKING:
    from acme import client, messages

_PATIENCE_S = 30
_DEADLINE_S = 180.0
_MOST_CHARACTERS = 600


class Ordering(msgspec.Struct, frozen=True, kw_only=True):
    """What is ordered, and of whom. `external` is the id and the key (base64url) of an external account."""

    directory: str
    names: tuple[str, ...]
    ca: Path | None = None
    contact: tuple[str, ...] = ()
    terms_agreed: bool = False
    external: tuple[str, str] | None = None


class NotObtained(Exception):
    """There is no certificate; says why, in the authority's words where it has some."""


def obtain(wanted: Ordering, account: AccountKey) -> bytes:
    """A new private key and the certificate chain for it, in PEM. Raises NotObtained."""
    try:
        from acme import errors  # noqa: PLC0415
        from josepy.jwk import JWKEC  # noqa: PLC0415  only where certificates come by ACME
    except ImportError:
        raise NotObtained(_("the package `acme` is not installed: pip install 'forebay[acme]'")) from None
    try:
        key = JWKEC(key=account)
        network = _network(wanted, key)
        with contextlib.closing(network.session):
            return _obtained(wanted, network, key)
    except NotObtained:
        raise
    except errors.ValidationError as error:
        raise NotObtained(_failures(error)) from error
    except Exception as error:
        # The library reads what it is sent without much doubt: a strange answer surprises it in any way.
        raise NotObtained(_shown(str(error) or type(error).__name__)) from error


def _network(wanted: Ordering, account: Any) -> client.ClientNetwork:
    from acme import client  # noqa: PLC0415
    from josepy.jwa import ES256  # noqa: PLC0415

    verified: Any = str(wanted.ca) if wanted.ca is not None else True
    network = client.ClientNetwork(account, alg=ES256, verify_ssl=verified, user_agent="forebay", timeout=_PATIENCE_S)
    network.session.adapters.pop("http://")  # whatever a directory or a redirect names
    return network


def _obtained(wanted: Ordering, network: client.ClientNetwork, account: Any) -> bytes:
    from acme import crypto_util  # noqa: PLC0415

    authority = _entered(wanted, network, account)
    key = private_pem(ec.generate_private_key(ec.SECP256R1()))
    names = [server_name(name) for name in dict.fromkeys(wanted.names)]
    dns = [name for name in names if isinstance(name, str)]
    addresses = [name for name in names if isinstance(name, IPv4Address | IPv6Address)]
    order = authority.new_order(crypto_util.make_csr(key, domains=dns, ipaddrs=addresses))
    for authorization in order.authorizations:
        _answer(authority, authorization, account)
    done = authority.poll_and_finalize(order, datetime.now() + timedelta(seconds=_DEADLINE_S))
    return key + str(done.fullchain_pem).encode()


def _entered(wanted: Ordering, network: client.ClientNetwork, account: Any) -> client.ClientV2:
    """The authority, with our account at it: made, or found by its key."""
    from acme import client, errors, messages  # noqa: PLC0415

    directory = client.ClientV2.get_directory(wanted.directory, network)
    _check_terms(directory, wanted)
    authority = client.ClientV2(directory, network)
    fields: dict[str, Any] = {"contact": tuple(f"mailto:{each}" for each in wanted.contact)} if wanted.contact else {}
    if wanted.external is not None:
        fields["external_account_binding"] = messages.ExternalAccountBinding.from_data(
            account.public_key(), *wanted.external, directory
        )
    registration = messages.NewRegistration(terms_of_service_agreed=wanted.terms_agreed or None, **fields)
    try:
        authority.new_account(registration)
    except errors.ConflictError as known:
        network.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())
    return authority


def _check_terms(directory: messages.Directory, wanted: Ordering) -> None:
    terms = getattr(getattr(directory, "meta", None), "terms_of_service", None)
    if terms and not wanted.terms_agreed:
        raise NotObtained(
            _("the authority has terms of service: read {url} and set edge.acme.terms_agreed").format(url=_shown(terms))
        )


def _answer(authority: client.ClientV2, authorization: messages.AuthorizationResource, account: Any) -> None:
    from acme import challenges, messages  # noqa: PLC0415

    body = authorization.body
    if body.status == messages.STATUS_VALID:
        return
    offered = [each for each in body.challenges if isinstance(each.chall, challenges.HTTP01)]
    if not offered:
        raise NotObtained(_("the authority offers no HTTP-01 challenge for {name}").format(name=body.identifier.value))
    authority.answer_challenge(offered[0], offered[0].response(account))


def _failures(error: Any) -> str:
    said = [
        f"{failed.body.identifier.value}: {challenge.error.detail or challenge.error}"
        for failed in error.failed_authzrs
        for challenge in failed.body.challenges
        if challenge.error is not None
    ]
    return _shown("; ".join(said) or str(error))


def _shown(text: str) -> str:
    """A stranger's text as one bounded line."""
    return "".join(each if each.isprintable() else " " for each in text)[:_MOST_CHARACTERS].strip()
