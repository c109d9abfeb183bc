"""What the log keeps of a decision: who, what, when, from where, by which policy. Never what was said. Pure."""

from __future__ import annotations

import msgspec
import orjson

Fact = str | int | float | bool | None

INTENT, OUTCOME, REFUSALS, DECISION = "intent", "outcome", "refusals", "decision"
ERASURE, CONSENT = "erasure", "consent"
"""Kinds of records: a call that is about to reach an engine; what became of a call; refusals of callers whom nobody
knows, counted; what an operator or the service itself decided; a subject's keys that were destroyed; what a person said
of a purpose."""

_MOST_CHARACTERS = 512


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record on its way into the log. `at_us` are microseconds since the epoch.

    `id` is the call's: the records of one call share it. `subject` is the person that the call is for, and `ip` where
    it came from; both are sealed with the subject's own key, so that they can be destroyed and the log still verifies.
    """

    kind: str
    id: str
    at_us: int
    facts: dict[str, Fact]
    subject: str = ""
    ip: str = ""


class Sealed(msgspec.Struct, frozen=True):
    """What is a person's: the name of the key, which tells nothing of the person, and what only that key opens."""

    key: str
    box: str


def leaf_of(entry: Entry, sealed: Sealed | None) -> bytes:
    """The bytes that are hashed and kept: one JSON object, its keys sorted."""
    written: dict[str, object] = {
        "v": 1,
        "kind": entry.kind,
        "id": entry.id,
        "at_us": entry.at_us,
        **{name: fact for name, fact in entry.facts.items() if fact not in ("", None)},
    }
    if sealed is not None:
        written["personal"] = {"key": sealed.key, "box": sealed.box}
    return orjson.dumps(written, option=orjson.OPT_SORT_KEYS)


def bounded(text: str) -> str:
    """A text of a client's as a record may hold it: valid Unicode, and not as long as it likes."""
    return text[:_MOST_CHARACTERS].encode(errors="replace").decode()
