"""Who approved a release for an environment, and whether that is enough.

A record is a file of its own under `configs/approvals/<digest>/`, so that two approvals never conflict in git. It names
the digest, and so holds for these very bytes. Whether a name in it is genuine is git's to prove: sign commits, and
protect the branch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.core.errors import Finding, StateError, UsageError
from forebay.messages import _
from forebay.release.durable import write_file
from forebay.release.store import Store
from forebay.release.version import Release


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """`by` says that the release of `digest` may run in `environment`; `at` is seconds since the epoch."""

    by: str
    at: float
    digest: str
    environment: str
    reason: str = ""


def approve(store: Store, release: Release, approval: Approval, approvers: list[str]) -> Path:
    """Write an approval down; UsageError where its author made the release, or may not approve."""
    if approval.by == release.created.by:
        raise UsageError(
            _("{by} made {name}, and nobody approves their own release").format(by=approval.by, name=release.name),
            fix=_("Ask somebody else"),
        )
    if approvers and approval.by not in approvers:
        what = _("{by} is not among the approvers").format(by=approval.by)
        raise UsageError(what, fix=_("They are {names}").format(names=", ".join(approvers)))
    name = hashlib.sha256(approval.by.encode()).hexdigest()[:16]
    path = _folder(store, approval.digest) / f"{approval.environment}-{name}.json"
    write_file(path, msgspec.json.format(msgspec.json.encode(approval), indent=2) + b"\n", 0o644)
    return path


def approvals(store: Store, digest: str, environment: str) -> tuple[Approval, ...]:
    """The approvals of a release for an environment; StateError where a record is damaged."""
    found = []
    for path in sorted(_folder(store, digest).glob(f"{environment}-*.json")):
        try:
            record = msgspec.json.decode(path.read_bytes(), type=Approval)
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(_("the approval cannot be read"), where=str(path), detail=str(error)) from error
        if (record.digest, record.environment) == (digest, environment):  # a copied record approves nothing
            found.append(record)
    return tuple(found)


def missing_approvals(
    store: Store, config: Config, current: Config | None, digest: str, author: str
) -> tuple[Finding, ...]:
    """What a release lacks to run in its environment. Its own rules count, and those of the release before it.

    Otherwise a release could let itself in. One that runs already is not asked again.
    """
    needed, listed = _rules(config, current)
    if not needed:
        return ()
    known = store.find(digest)
    by = known.created.by if known is not None else author
    given = {record.by for record in approvals(store, digest, config.environment)} - {by}
    counted = {each for each in given if listed is None or each in listed}
    if len(counted) >= needed:
        return ()
    why = _("{environment} needs {needed} approvals of this release, and has {given}").format(
        environment=config.environment, needed=needed, given=len(counted)
    )
    name = known.name if known is not None else "NAME"
    fix = _("forebay release approve {name} --env {environment}").format(name=name, environment=config.environment)
    return (Finding(rule="release_approvals", severity="error", where="releases.approvals", why=why, fix=fix),)


def _rules(config: Config, current: Config | None) -> tuple[int, frozenset[str] | None]:
    both = [each for each in (config, current) if each is not None]
    needed = max(each.releases.approvals.get(config.environment, 0) for each in both)
    lists = [frozenset(each.releases.approvers) for each in both if each.releases.approvers]
    return needed, frozenset.intersection(*lists) if lists else None


def _folder(store: Store, digest: str) -> Path:
    return store.root / "approvals" / digest
