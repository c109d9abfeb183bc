"""A plan: what would change, what it costs, why it cannot be; sealed, so that only what was read is applied."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from forebay.core.errors import Finding, StateError
from forebay.messages import _
from forebay.release.difference import Step
from forebay.release.durable import write_file
from forebay.release.price import Price
from forebay.release.running import Strategy
from forebay.release.version import canonical

FORMAT = 1


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan rests on: it holds only as long as this is so. `live` names what runs and what drifted."""

    environment: str
    service: str
    release: str
    digest: str
    live: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """From what runs to the release `name` of `digest`. `findings` with an error forbid it; `seal` is over the rest.

    `files`: the whole release, so that what is applied is what was planned, whatever becomes of the file meanwhile.
    """

    format: int = FORMAT
    basis: Basis
    digest: str
    name: str = ""
    steps: tuple[Step, ...]
    price: Price
    findings: tuple[Finding, ...] = ()
    drift: tuple[str, ...] = ()
    strategy: Strategy = "auto"
    by: str = ""
    at: float = 0.0
    files: dict[str, bytes] = {}
    seal: str = ""

    @property
    def changes(self) -> bool:
        """Whether it does anything: another release, or what runs made what it should be."""
        return self.digest != self.basis.digest or bool(self.drift)

    @property
    def refused(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")


def seal(plan: Plan) -> str:
    """The hash that a saved plan carries of itself."""
    return hashlib.sha256(canonical(msgspec.structs.replace(plan, seal=""))).hexdigest()


def save(plan: Plan, path: Path) -> None:
    plan = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)  # 0 and 0.0 are one number, and two texts
    sealed = msgspec.structs.replace(plan, seal=seal(plan))
    write_file(path, msgspec.json.format(msgspec.json.encode(sealed), indent=2) + b"\n")


def read(path: Path) -> Plan:
    """A saved plan; StateError where it is no plan, cut off, or was edited."""
    again = _("Make a new one: forebay plan --out {path}").format(path=path)
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
    except FileNotFoundError:
        raise StateError(_("there is no such plan"), where=str(path), fix=again) from None
    except (OSError, msgspec.DecodeError) as error:
        raise StateError(_("this is no whole plan"), where=str(path), fix=again, detail=str(error)) from error
    if plan.format != FORMAT:
        raise StateError(_("the plan is of another version of forebay"), where=str(path), fix=again)
    if plan.seal != seal(plan):
        raise StateError(_("the plan was edited after it was made"), where=str(path), fix=again)
    return plan


def refuse_moved(plan: Plan, now: Basis) -> None:
    """StateError that says what has moved since the plan was made."""
    then = plan.basis
    again = _("Make a new plan")
    if then.environment != now.environment:
        what = _("the plan is for {planned}, and this is {here}")
        raise StateError(
            what.format(planned=then.environment, here=now.environment), fix=again, code="plan_environment"
        )
    if then.service != now.service:
        what = _("the plan is for the service {planned}, and this is {here}")
        raise StateError(what.format(planned=then.service, here=now.service), fix=again, code="plan_environment")
    if then.digest != now.digest:
        what = _("the plan starts from {planned}, and {here} runs now")
        raise StateError(what.format(planned=then.release, here=now.release), fix=again, code="plan_stale")
    if then.live != now.live:
        raise StateError(_("what runs has changed since the plan was made"), fix=again, code="plan_stale")
