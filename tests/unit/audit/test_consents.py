"""Who has consented: what a worker hears, and what is forgotten by its age."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from forebay.audit.consents import SCHEMA, Consent, Consents, Follower
from forebay.audit.database import opened
from forebay.audit.recorder import open_recorder


def test_a_withdrawal_that_could_not_be_read_is_read_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "consents.db"
    consents, follower = Consents(opened(path, SCHEMA)), Follower(path)
    consents.put("t1/alice", Consent("ads", granted=True, at_us=1, record="a"))
    assert follower.read() is not None
    consents.put("t1/alice", Consent("ads", granted=False, at_us=2, record="b"))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("ALTER TABLE secret RENAME TO away")
        with pytest.raises(sqlite3.OperationalError):
            follower.read()
        database.execute("ALTER TABLE away RENAME TO secret")
    heard = follower.read()
    assert heard is not None
    assert [change.granted for change in heard.changes] == [False]
    follower.close()
    consents.close()


def test_what_a_held_person_withdrew_is_not_forgotten_by_its_age(tmp_path: Path) -> None:
    recorder = open_recorder(tmp_path, "test")
    for subject in ("alice", "bob"):
        recorder.consent("t1", subject, "ads", "tester", 5, granted=False)
    recorder.hold("t1", "alice", "a court", 6, on=True)
    assert recorder.forget_withdrawn(100, 200) == 1
    assert recorder.forget_withdrawn(100, 201) == 0
    recorder.hold("t1", "alice", "a court", 300, on=False)
    assert recorder.forget_withdrawn(100, 301) == 1
    recorder.close()
