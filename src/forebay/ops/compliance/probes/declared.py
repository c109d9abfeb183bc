"""What is declared: purposes, legal bases, stores, and that consents are asked for."""

from __future__ import annotations

import secrets
from contextlib import closing

import msgspec

from forebay.audit.client import book, exists
from forebay.audit.database import read_only
from forebay.audit.export import Wanted, rows
from forebay.audit.record import DECISION, Entry
from forebay.audit.recorder import LOG, SUBJECTS
from forebay.audit.store import leaves_of
from forebay.audit.subjects import Opener
from forebay.messages import _
from forebay.ops.compliance.ask import ask
from forebay.ops.compliance.run import Outcome, Subject, failed, no_key, not_running, passed, probes, unknown
from forebay.privacy.declared import gaps
from forebay.privacy.stores import kept_of_people, needs_consent

_CHAT = "/v1/chat/completions"
_REFUSED = 403
_NEWEST = 10_000


@probes.add("processing_declared")
def processing_declared(subject: Subject) -> Outcome:
    """Every store of people's data that is on is declared as it is, with a purpose that has a legal basis."""
    config = subject.loaded.config
    written = config.processing
    evidence = [
        f"{name}: {said.purpose} ({written.purposes[said.purpose].basis}), {said.retention:g} s"
        for name, said in sorted(written.stores.items())
    ]
    missing = [gap.why for gap in gaps(config)]
    if not written.responsible:
        missing.append(_("nobody is named who decides on the processing of people's data"))
    if missing:
        fix = _("`forebay compliance stores` prints what to declare")
        return failed(_("not everything that is kept of people is declared"), *evidence, *missing, fix=fix)
    looked = _("stores of people's data that are on: {names}").format(names=", ".join(kept_of_people(config)))
    return passed(_("everything that is kept of people is declared, with its purpose and basis"), looked, *evidence)


@probes.add("consent_asked")
def consent_asked(subject: Subject) -> Outcome:
    """A call for a person who never consented is refused, for every purpose that rests on consent."""
    config = subject.loaded.config
    needing = sorted(name for name, each in config.processing.purposes.items() if each.basis == "consent")
    if not config.processing.purposes:
        return failed(_("no purpose is declared, so nobody can consent to any"), fix=_("Declare processing.purposes"))
    if not needs_consent(config):
        return passed(_("no declared purpose rests on consent"), *sorted(config.processing.purposes))
    if subject.running is None:
        return not_running()
    if subject.key is None:
        return no_key()
    seen = []
    for name in needing:
        body = {
            "model": next(iter(config.models)),
            "user": f"probe-{secrets.token_hex(8)}",
            "messages": [{"role": "user", "content": "probe"}],
            "max_tokens": 1,
        }
        headers = {**subject.call_headers(), "x-forebay-purpose": name}
        answer = ask(subject.running.url, _CHAT, body=msgspec.json.encode(body), headers=headers)
        seen.append((name, answer.status))
    evidence = tuple(f"{name}: {status}" for name, status in seen)
    if all(status == _REFUSED for _name, status in seen):
        return passed(_("calls without the consent that they need are refused"), *evidence)
    return failed(_("a call without the consent that it needs is answered"), *evidence)


@probes.add("people_erasable")
def people_erasable(subject: Subject) -> Outcome:
    """A made-up person is recorded, found, erased, and not found any more; the records of it stay and verify."""
    state = subject.state
    if not exists(state.audit):
        return unknown(_("there is no audit log, which is all that knows people by name"))
    name = f"probe-{secrets.token_hex(8)}"
    entry = Entry(DECISION, f"compliance-{name}", int(subject.now_s * 1_000_000), {"action": "compliance.probe"}, name)
    with book(state.audit, state.audit_socket) as log:
        log.record(entry)
        before = _is_readable(subject, name)
        done = log.shred("", name, "compliance")
    after = _is_readable(subject, name)
    evidence = (f"record {done.position}", f"readable before: {before}", f"readable after: {after}")
    if before and not after and done.keys:
        return passed(_("a person is found, and after their erasure cannot be read any more"), *evidence)
    return failed(_("a person cannot be found, or not be erased"), *evidence)


def _is_readable(subject: Subject, name: str) -> bool:
    """Whether one of the newest records says of whom it is: who asks what is kept of them is told by this."""
    folder = subject.state.audit
    with closing(read_only(folder / LOG)) as log, closing(read_only(folder / SUBJECTS)) as keys:
        (last,) = log.execute("SELECT max(position) FROM leaves").fetchone()
        newest = leaves_of(log, max(0, last - _NEWEST))
        return any(row.get("subject") == name for row in rows(newest, Opener(keys), Wanted()))
