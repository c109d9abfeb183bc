"""`forebay token`: why a token of an issuer is refused, and tokens that are to open nothing any more."""

from __future__ import annotations

import sys
import time

import click

from forebay.cli.auditing import decided
from forebay.cli.flags import Flags, common
from forebay.cli.key_opening import opened_keys
from forebay.cli.wiring import configuration, state_dir
from forebay.core.errors import RunError, UsageError
from forebay.gateway.snapshot import read
from forebay.messages import N_, _
from forebay.security import revoked
from forebay.security.tokens import BadToken, Issuer, check_token

_REASONS = {
    "algorithm": N_("`alg` is not the algorithm of the issuer"),
    "audience": N_("`aud` is not the audience of this service alone"),
    "claim": N_("a claim that is needed is missing, or is no text"),
    "early": N_("it is not valid yet: `nbf` or `iat` lies in the future"),
    "expired": N_("it has expired, or does not say when it does"),
    "form": N_("it is no signed token in its one spelling"),
    "header": N_("its header says more than alg, kid, typ and x5t"),
    "issuer": N_("`iss` is no issuer of the configuration"),
    "json": N_("it holds no JSON that every parser reads alike"),
    "key": N_("no usable key of the issuer has its `kid`"),
    "lifetime": N_("it is valid for longer than `lifetime`"),
    "revoked": N_("it, or its subject, was revoked"),
    "scopes": N_("its scopes are no words"),
    "signature": N_("its signature is not the issuer's"),
    "size": N_("it is too long"),
    "subject": N_("`sub` is empty or too long"),
    "tenant": N_("it names no tenant"),
    "time": N_("a time in it is no number"),
    "type": N_("`typ` is not that of an access token"),
}


@click.group(help=_("Look into access tokens, and revoke them."))
def token() -> None:
    """Group of the commands below."""


@token.command(help=_("Say what a token on stdin opens, or why it opens nothing, as the running service sees it."))
@common("config", "output")
def check(flags: Flags) -> None:
    """The token is read from stdin alone: an argument is seen by every user of the machine."""
    _digest, snapshot = read(state_dir(flags).current_snapshot)
    identity = snapshot.identity
    issuers = {each.issuer: Issuer(each, snapshot.pepper) for each in identity.issuers}
    try:
        found = check_token(sys.stdin.buffer.read(65536).strip(), issuers, identity.revoked, time.time())
    except BadToken as bad:
        raise RunError(
            _("the token opens nothing: {why}").format(why=_(_REASONS[bad.reason])), code=f"token_{bad.reason}"
        ) from None
    answer = {"id": found.id, "tenant": found.tenant, "scopes": list(found.scopes), "expires_at": found.expires_at}
    flags.answer(answer)


@token.command(help=_("Have a token, or all tokens that a subject was given so far, open nothing."))
@click.option("--issuer", required=True, metavar="NAME", help=_("Issuer, by its name under security.issuers."))
@click.option("--jti", default="", help=_("The token, by its claim `jti`."))
@click.option("--subject", default="", help=_("The subject, by the claim `sub`."))
@common("config", "env", "output")
def revoke(flags: Flags, issuer: str, jti: str, subject: str) -> None:
    """In force within a second, and kept as long as a token of this issuer may live."""
    written = configuration(flags).config.security.issuers.get(issuer)
    if written is None:
        raise UsageError(
            _("there is no issuer {name}").format(name=issuer), fix=_("Names stand under security.issuers")
        )
    if bool(jti) == bool(subject):
        raise UsageError(_("say which token or subject is revoked"), fix=_("Give --jti or --subject"))
    what = ("jti", jti) if jti else ("sub", subject)
    keep_s = written.lifetime + 2 * written.leeway
    with (
        opened_keys(flags) as (state, keys),
        decided(state, "token.revoke", urgent=True, issuer=issuer, kind_of=what[0]),
    ):
        revoked.revoke(keys.database, keys.pepper, issuer, what, time.time(), keep_s)
    flags.answer({"issuer": issuer, "kind": what[0], "revoked": True}, lambda: _("revoked"))
