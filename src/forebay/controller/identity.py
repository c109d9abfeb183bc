"""The configuration's roles, networks and issuers as workers hold them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from forebay.config.schema import Config
from forebay.config.schema.security import Networks
from forebay.gateway.snapshot import IdentityPolicy, Snapshot
from forebay.security.certificate_grant import CertificateGrant
from forebay.security.failures import FailurePolicy
from forebay.security.network import NetworkRules
from forebay.security.roles import RolePolicy
from forebay.security.tokens import IssuerPolicy


def with_identity(
    snapshot: Snapshot, config: Config, issuers: tuple[IssuerPolicy, ...], revoked: Mapping[str, float]
) -> Snapshot:
    """The snapshot with what is known beside keys."""
    security = config.security
    policy = IdentityPolicy(
        issuers=issuers,
        roles={name: RolePolicy(tuple(role.scopes), tuple(role.models)) for name, role in security.roles.items()},
        everyone=_rules(security.networks),
        administrators=_rules(security.admin_networks),
        networks={
            name: _rules(tenant.networks) for name, tenant in config.tenants.items() if tenant.networks != Networks()
        },
        certificates={
            name: CertificateGrant(known.tenant, tuple(known.scopes)) for name, known in security.certificates.items()
        },
        failures=FailurePolicy(security.failures.allowed, security.failures.wait, security.failures.longest_wait),
        revoked=dict(revoked),
    )
    return msgspec.structs.replace(snapshot, identity=policy)


def _rules(written: Networks) -> NetworkRules:
    return NetworkRules(tuple(written.allow), tuple(written.deny))
