"""Whether what happens is recorded, and whether the record is whole."""

from __future__ import annotations

from forebay.audit.signing import log_verifier
from forebay.audit.verify import Trust, verify
from forebay.messages import _, ngettext
from forebay.ops.compliance.keys import keys_in_force
from forebay.ops.compliance.run import Outcome, Subject, failed, passed, probes, unknown
from forebay.security.roles import ADMIN, AUDIT, SECURITY, SYSTEM

_DAY_S = 86_400.0
_APART = (SYSTEM, SECURITY, AUDIT)


@probes.add("audit_on")
def audit_on(subject: Subject) -> Outcome:
    """Every call and every decision is recorded before it takes effect."""
    enabled = subject.loaded.config.audit.enabled
    evidence = f"audit.enabled: {str(enabled).lower()}"
    if not enabled:
        return failed(_("nothing is recorded"), evidence, fix=_("Set audit.enabled to true"))
    if subject.running is not None and "audit" not in subject.running.pids:
        return failed(_("the audit log has no writer"), evidence)
    return passed(_("calls and decisions are recorded before they take effect"), evidence)


@probes.add("audit_intact")
def audit_intact(subject: Subject) -> Outcome:
    """Every record is checked against every checkpoint of the log itself."""
    log = subject.state.audit / "log.db"
    if not log.exists():
        return unknown(_("there is no audit log"))
    verdict = verify(log, Trust(log_verifier(subject.state.audit)))
    evidence = ngettext("{count} record checked", "{count} records checked", verdict.records).format(
        count=verdict.records
    )
    if verdict.faults:
        return failed(_("the audit log was changed"), evidence, *(fault.why for fault in verdict.faults[:10]))
    return passed(_("the audit log is whole"), evidence)


@probes.add("retention_declared")
def retention_declared(subject: Subject) -> Outcome:
    """What is written down of people goes by its age."""
    audit, log = subject.loaded.config.audit, subject.loaded.config.observe.log
    evidence = (
        f"audit.personal: {'null' if audit.personal is None else f'{audit.personal / _DAY_S:g} days'}",
        f"observe.log.keep: {log.keep} files",
    )
    if audit.enabled and audit.personal is None:
        fix = _("Set audit.personal to how long addresses and people stay readable")
        return failed(_("what is recorded of people is kept for ever"), *evidence, fix=fix)
    return passed(_("what is recorded of people goes by its age"), *evidence)


@probes.add("administrators_apart")
def administrators_apart(subject: Subject) -> Outcome:
    """Nobody is administrator of the system, of security and of the audit at once (三员分立)."""
    keys = keys_in_force(subject)
    if keys is None:
        return unknown(_("there is no state yet"))
    holders = {key.id: {scope for scope in key.scopes if scope in (*_APART, ADMIN)} for key in keys}
    both = sorted(identity for identity, held in holders.items() if ADMIN in held or len(held) > 1)
    evidence = tuple(f"{identity}: {', '.join(sorted(held))}" for identity, held in holders.items() if held)
    if both:
        fix = _("Give each administrator a key of one role: admin:system, admin:security or admin:audit")
        return failed(
            _("one key holds several administrators' rights: {ids}").format(ids=", ".join(both)), *evidence, fix=fix
        )
    return passed(_("no key holds the rights of two administrators"), *evidence)
