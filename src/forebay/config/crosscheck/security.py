"""Issuers and roles that mean nothing, or more than was meant."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.schema.security import Issuer
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

_ROLE = "role:"
_CLIENTS = ("inference", "models:read")


def security(config: Config, tree: Node) -> Iterator[Finding]:
    """Every finding about `security`, but for its networks, which are addresses like others."""
    seen: dict[str, str] = {}
    for name, issuer in config.security.issuers.items():
        where: Path = ("security", "issuers", name)
        if issuer.issuer in seen:
            why = _("the issuer is that of {other}, too").format(other=seen[issuer.issuer])
            yield _error("issuer", tree, (*where, "issuer"), why, _("Write each issuer once"))
        seen[issuer.issuer] = name
        yield from _issuer(config, issuer, tree, where)
    if config.security.certificates and config.edge.kind != "none" and config.edge.clients is None:
        why = _("the edge asks no client for a certificate")
        yield _error("issuer", tree, ("security", "certificates"), why, _("Set edge.clients.ca"))
    served = {adapter for model in config.models.values() for engine in model.engines for adapter in engine.adapters}
    for name, role in config.security.roles.items():
        for index, model in enumerate(role.models):
            if model not in config.models and model not in served:
                why = _("there is no model {name}").format(name=model)
                path: Path = ("security", "roles", name, "models", index)
                yield _error("role", tree, path, why, _("Name a model of this file, by its name and not by an alias"))


def _issuer(config: Config, issuer: Issuer, tree: Node, where: Path) -> Iterator[Finding]:
    if (issuer.tenant is None) == (issuer.tenant_claim is None):
        why = _("an issuer's tokens belong to one tenant, or say whose they are")
        yield _error("issuer", tree, where, why, _("Set one of `tenant` and `tenant_claim`"))
    if not issuer.grants:
        why = _("no token of this issuer may do anything")
        fix = _("Say in `grants` what its scopes mean, such as `models.use: [inference]`")
        yield Finding(rule="issuer", severity="warning", where=locate(tree, (*where, "grants")), why=why, fix=fix)
    for word, scopes in issuer.grants.items():
        for scope in scopes:
            path: Path = (*where, "grants", word)
            role = scope.removeprefix(_ROLE)
            if scope.startswith(_ROLE) and role not in config.security.roles:
                why = _("there is no role {name}").format(name=role)
                yield _error("role", tree, path, why, _("Write it under security.roles"))
            elif not scope.startswith(_ROLE) and scope not in _CLIENTS:
                why = _("a token cannot be granted {scope}").format(scope=scope)
                fix = _("Grant inference, models:read or role:NAME; administrators have keys of this service")
                yield _error("issuer", tree, path, why, fix)


def _error(rule: str, tree: Node, path: Path, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=locate(tree, path), why=why, fix=fix)
