"""What workers hold of the `audit` keys. Pure."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.gateway.auditing.policy import AuditPolicy


def audit_policy(config: Config) -> AuditPolicy | None:
    """None where nothing is recorded: the request path then looks no further."""
    audit = config.audit
    if not audit.enabled:
        return None
    return AuditPolicy(wait_s=audit.wait, summary_s=audit.summary, samples=audit.samples)
