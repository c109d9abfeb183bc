"""Who has consented: what a worker hears, and what is forgotten by its age."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from tests.unit.audit.logs import entry, verified

from forebay.audit.consents import SCHEMA, Consent, Consents, Follower, said_by
from forebay.audit.database import opened
from forebay.audit.recorder import CONSENTS, DESTROYED, SAID, SUBJECTS, open_recorder
from forebay.core.errors import StateError


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


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_copy_of_before_a_withdrawal_is_not_believed(tmp_path: Path, ahead: int) -> None:
    recorder = open_recorder(tmp_path, "test")
    recorder.consent("t1", "alice", "ads", "tester", 1, granted=True)
    recorder.close()
    copied = (tmp_path / CONSENTS).read_bytes()
    recorder = open_recorder(tmp_path, "test")
    for number in range(ahead):
        recorder.consent("t1", "alice", "ads", "tester", 2 + number, granted=False)
    recorder.close()
    for end in ("-wal", "-shm"):
        tmp_path.joinpath(CONSENTS + end).unlink(missing_ok=True)
    (tmp_path / CONSENTS).write_bytes(copied)
    assert [each.granted for each in said_by(tmp_path / CONSENTS, "t1/alice")] == [True]
    recorder = open_recorder(tmp_path, "test")
    assert said_by(tmp_path / CONSENTS, "t1/alice") == ()
    recorder.consent("t1", "alice", "ads", "tester", 9, granted=True)
    recorder.close()
    open_recorder(tmp_path, "test").close()
    assert [each.granted for each in said_by(tmp_path / CONSENTS, "t1/alice")] == [True], "said since, and believed"
    assert not verified(tmp_path).faults


def test_consents_are_not_forgotten_before_the_log_says_so(tmp_path: Path) -> None:
    recorder = open_recorder(tmp_path, "test")
    recorder.consent("t1", "alice", "ads", "tester", 1, granted=True)
    size = recorder.size
    recorder.close()
    (tmp_path / SAID).write_bytes(b"9\n")
    with contextlib.closing(sqlite3.connect(tmp_path / CONSENTS, isolation_level=None)) as database:
        database.execute("CREATE TRIGGER t BEFORE DELETE ON consents BEGIN SELECT RAISE(ABORT, 'killed'); END")
        with pytest.raises(sqlite3.IntegrityError, match="killed"):
            open_recorder(tmp_path, "test")
        database.execute("DROP TRIGGER t")
    recorder = open_recorder(tmp_path, "test")
    assert recorder.size == size + 2, "noted each time"
    recorder.close()
    assert said_by(tmp_path / CONSENTS, "t1/alice") == ()


def test_a_start_that_a_crash_preceded_believes_what_was_said(tmp_path: Path) -> None:
    """The crash came between the change and its number."""
    recorder = open_recorder(tmp_path, "test")
    recorder.consent("t1", "alice", "ads", "tester", 1, granted=True)
    before = (tmp_path / SAID).read_bytes()
    recorder.consent("t1", "bob", "ads", "tester", 2, granted=True)
    recorder.close()
    (tmp_path / SAID).write_bytes(before)
    open_recorder(tmp_path, "test").close()
    assert len(said_by(tmp_path / CONSENTS, "t1/bob")) == 1


def test_a_number_that_cannot_be_read_is_no_reason_to_believe(tmp_path: Path) -> None:
    open_recorder(tmp_path, "test").close()
    (tmp_path / SAID).write_text("many")
    with pytest.raises(StateError, match="how often consents have changed"):
        open_recorder(tmp_path, "test")


def test_an_erasure_behind_a_line_that_a_full_disk_cut_off_stays_one(tmp_path: Path) -> None:
    recorder = open_recorder(tmp_path, "test")
    recorder.record([entry(1, subject="alice")])
    recorder.close()
    copied = (tmp_path / SUBJECTS).read_bytes()
    (tmp_path / DESTROYED).write_text("0123")
    recorder = open_recorder(tmp_path, "test")
    assert recorder.shred("t1", "alice", "tester", 5).keys
    recorder.close()
    for end in ("-wal", "-shm"):
        tmp_path.joinpath(SUBJECTS + end).unlink(missing_ok=True)
    (tmp_path / SUBJECTS).write_bytes(copied)
    open_recorder(tmp_path, "test").close()
    with contextlib.closing(sqlite3.connect(tmp_path / SUBJECTS)) as database:
        assert database.execute("SELECT count(*) FROM subjects").fetchone() == (0,)
