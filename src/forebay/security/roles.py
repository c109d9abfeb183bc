"""Scopes and roles, compiled: what a caller may do is one look-up in a frozen set, however many rules there are."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

INFERENCE, READ_MODELS = "inference", "models:read"
CLIENT_SCOPES = frozenset({INFERENCE, READ_MODELS})
ROLE = "role:"
ADMIN = "admin"
SYSTEM, SECURITY, AUDIT = "admin:system", "admin:security", "admin:audit"
ADMINISTRATORS = frozenset({ADMIN, SYSTEM, SECURITY, AUDIT})
"""Three administrators who watch one another (三员分立); `admin` is the first one's older name."""
TENANT_ADMIN = "tenant:admin"
TENANT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
"""What a tenant may be called."""


class RolePolicy(msgspec.Struct, frozen=True):
    """A role: what it may do, and with which models; no models means all."""

    scopes: tuple[str, ...]
    models: tuple[str, ...] = ()


class Access(msgspec.Struct, frozen=True):
    """What somebody may do with which model: `(action, model)` pairs, and `(action, "")` for all models."""

    allowed: frozenset[tuple[str, str]]
    actions: frozenset[str]

    def permits(self, action: str, model: str) -> bool:
        """Whether the action is allowed with the model."""
        return (action, "") in self.allowed or (action, model) in self.allowed


UNBOUNDED = Access(frozenset((action, "") for action in CLIENT_SCOPES), CLIENT_SCOPES)
"""What a key without scopes may do: all that clients may."""


class Roles:
    """Every role compiled once; what a caller's scopes come to is worked out once for each set of scopes."""

    _MOST_KEPT = 4096

    def __init__(self, roles: Mapping[str, RolePolicy]) -> None:
        self._pairs = {name: _pairs(role) for name, role in roles.items()}
        self._known: dict[tuple[str, ...], Access] = {}

    def access(self, scopes: tuple[str, ...], *, unscoped: bool = True) -> Access:
        """What `scopes` allow. A scope that means nothing here allows nothing, `*` included.

        `unscoped`: whether no scopes at all means everything that clients may, as it does on a key.
        """
        if not scopes and unscoped:
            return UNBOUNDED
        known = self._known.get(scopes)
        if known is None:
            known = self._compiled(scopes)
            if len(self._known) < self._MOST_KEPT:
                self._known[scopes] = known
        return known

    def _compiled(self, scopes: tuple[str, ...]) -> Access:
        allowed: set[tuple[str, str]] = set()
        for scope in scopes:
            if scope in CLIENT_SCOPES:
                allowed.add((scope, ""))
            elif scope.startswith(ROLE):
                allowed |= self._pairs.get(scope.removeprefix(ROLE), frozenset())
        if (INFERENCE, "") in allowed:
            allowed.add((READ_MODELS, ""))  # whoever may call them may see their names
        allowed |= {(READ_MODELS, model) for action, model in allowed if action == INFERENCE}
        return Access(frozenset(allowed), frozenset(action for action, _model in allowed))


def _pairs(role: RolePolicy) -> frozenset[tuple[str, str]]:
    return frozenset((scope, model) for scope in role.scopes for model in role.models or ("",))
