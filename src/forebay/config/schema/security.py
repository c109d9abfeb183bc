"""Who may do what, and from where: issuers of tokens, roles, networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import ModelName, Name, Seconds, Section

Scope = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}(:[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?)?$")]
Network = Annotated[str, Field(min_length=1)]
KeysPlace = Annotated[str, Field(pattern=r"^(https://|http://(127\.0\.0\.1|\[::1\]|localhost)[:/]|file:).+$")]


class Networks(Section):
    """Networks that may call, as addresses with the length of their prefix. What is denied is denied whatever else is
    allowed; an empty `allow` allows all. The client's address is that behind `gateway.trusted_proxies`."""

    allow: list[Network] = []
    """Networks that may call; none named: all."""
    deny: list[Network] = []
    """Networks that may not."""


class Issuer(Section):
    """Somebody whose access tokens (JWT) are taken, such as an OpenID provider."""

    issuer: Annotated[str, Field(pattern=r"^https://[^\s?#]+$")]
    """What its tokens say in `iss`, to the letter."""
    audience: Annotated[str, Field(min_length=1)]
    """What tokens for this service say in `aud`."""
    several_audiences: bool = False
    """Whether tokens that are for other services too are taken."""
    algorithm: Literal[
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
    ] = "RS256"
    """The one algorithm of its signatures. HMAC is not offered: its key would have to be a secret of both sides."""
    typ: Annotated[str, Field(min_length=1)] = "at+jwt"
    """What the header of its access tokens says in `typ`. Where it is `JWT`, only `audience` tells them from others."""
    keys: KeysPlace | None = None
    """Where its public keys are: a URL, or `file:PATH`. Default: what its discovery document names."""
    ca: str | None = None
    """PEM file of the authority behind its URLs. Default: those that this machine trusts."""
    refresh: Annotated[Seconds, Field(ge=60)] = 600.0
    """How often its keys are fetched: a key that it takes back is refused after this at the latest. A key that is not
    known makes the controller ask earlier, once a minute at most."""
    leeway: Annotated[Seconds, Field(le=60)] = 30.0
    """By how much clocks may differ."""
    lifetime: Seconds = 86400.0
    """How long before its end a token may come at the earliest: longer ones are refused."""
    tenant: Name | None = None
    """Tenant of all its tokens; or `tenant_claim`."""
    tenant_claim: str | None = None
    """Claim that names the tenant."""
    scope_claim: Annotated[str, Field(min_length=1)] = "scope"
    """Claim with the subject's scopes or roles: words between spaces, or a list."""
    grants: dict[Annotated[str, Field(min_length=1)], list[Scope]] = {}
    """What those words mean here: scopes by word. A word that is not listed grants nothing."""


class Role(Section):
    """What the scope `role:NAME` allows, on a key or in an issuer's `grants`."""

    scopes: list[Literal["inference", "models:read"]] = ["inference", "models:read"]
    """What it may do."""
    models: list[ModelName] = []
    """Models that it may use; none named: all."""


class ClientCertificate(Section):
    """Whom a name in a client's certificate stands for. A key or token that comes along counts instead."""

    tenant: Name
    """The tenant that its calls are of."""
    scopes: list[Scope] = ["inference"]
    """What it may do."""


class Failures(Section):
    """Callers that send wrong keys over and over. Others behind the same address are not touched: a right key always
    counts."""

    allowed: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Wrong keys from one address (of IPv6: from one /64) within a minute, after which it is told to wait."""
    wait: Annotated[Seconds, Field(ge=1)] = 5.0
    """How long at first; it doubles each time."""
    longest_wait: Annotated[Seconds, Field(ge=1)] = 900.0
    """How long at most."""


class Security(Section):
    """Identity beyond API keys, and bounds on where calls come from."""

    issuers: dict[Name, Issuer] = {}
    """Issuers of access tokens, by a name for logs and limits."""
    roles: dict[Name, Role] = {}
    """Roles by name."""
    certificates: dict[Annotated[str, Field(pattern=r"^(dns|uri|email|ip):.+$")], ClientCertificate] = {}
    """Clients by a name of their certificate, such as `uri:spiffe://example.com/chat` or `dns:app.internal`."""
    networks: Networks = Networks()
    """Where calls to models may come from."""
    admin_networks: Networks = Networks()
    """Where calls to the admin API may come from, by the connection itself."""
    failures: Failures = Failures()
