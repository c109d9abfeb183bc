"""What is destroyed is in no file any more, also where somebody reads meanwhile; nothing says so before it is so."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from tests.unit.audit.logs import entry, verified

from forebay.audit.database import read_only
from forebay.audit.record import ERASURE
from forebay.audit.recorder import CONSENTS, LOG, SAID, SUBJECTS, Recorder, Unrecorded, open_recorder
from forebay.audit.store import leaves_of


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Somebody who reads: what they see stays in the log of writes."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM secret").fetchall()
        yield


def impatient(folder: Path) -> Recorder:
    recorder = open_recorder(folder, "test")
    for part in (recorder._keys, recorder._consents):
        part._database.execute("PRAGMA busy_timeout = 0")
    return recorder


def key_of_alice(folder: Path) -> bytes:
    with contextlib.closing(read_only(folder / SUBJECTS)) as database:
        ((key,),) = database.execute("SELECT key FROM subjects").fetchall()
        return bytes(key)


def held_in(folder: Path, name: str) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob(f"{name}*"))


def said(folder: Path) -> list[str]:
    """What came of each erasure, in turn."""
    with contextlib.closing(read_only(folder / LOG)) as database:
        leaves = [orjson.loads(each.leaf) for each in leaves_of(database)]
    return [leaf["result"] for leaf in leaves if leaf["kind"] == ERASURE]


def test_an_erasure_is_not_called_done_while_a_key_is_in_the_log_of_writes(tmp_path: Path) -> None:
    recorder = impatient(tmp_path)
    recorder.record([entry(1, subject="alice")])
    key = key_of_alice(tmp_path)
    with reading(tmp_path / SUBJECTS):
        with pytest.raises(Unrecorded, match="read"):
            recorder.shred("t1", "alice", "an operator", 5)
        assert said(tmp_path) == ["asked"]
        with pytest.raises(Unrecorded, match="read"):
            recorder.shred("t1", "alice", "an operator", 6)
    receipt = recorder.shred("t1", "alice", "an operator", 7)
    assert len(receipt.keys) == 1, "the receipt names what the first attempt destroyed"
    assert key not in held_in(tmp_path, SUBJECTS)
    assert said(tmp_path) == ["asked", "asked", "asked", "destroyed", "destroyed", "destroyed"]
    assert not recorder.stopped
    recorder.close()
    assert not verified(tmp_path).faults


def test_what_is_shredded_stays_so_while_somebody_reads(tmp_path: Path) -> None:
    recorder = impatient(tmp_path)
    recorder.record([entry(1, subject="alice")])
    first = key_of_alice(tmp_path)
    with reading(tmp_path / SUBJECTS), pytest.raises(Unrecorded):
        recorder.shred("t1", "alice", "an operator", 5)
    recorder.record([entry(2, subject="alice")])
    assert key_of_alice(tmp_path) != first
    assert len(recorder.shred("t1", "alice", "an operator", 6).keys) == 2
    recorder.close()


def test_consents_that_were_forgotten_are_in_no_file_once_it_is_said(tmp_path: Path) -> None:
    recorder = impatient(tmp_path)
    recorder.consent("t1", "alice", "canary-purpose", "tester", 1, granted=True)
    before = (tmp_path / SAID).read_bytes()
    with reading(tmp_path / CONSENTS):
        with pytest.raises(Unrecorded, match="read"):
            recorder.shred("t1", "alice", "an operator", 5)
        assert b"canary-purpose" in held_in(tmp_path, CONSENTS)
        assert (tmp_path / SAID).read_bytes() != before, "an older copy is not believed from now on"
    recorder.shred("t1", "alice", "an operator", 6)
    assert b"canary-purpose" not in held_in(tmp_path, CONSENTS)
    recorder.close()


def test_who_had_consented_alone_is_erased_by_the_second_attempt(tmp_path: Path) -> None:
    recorder = impatient(tmp_path)
    recorder.consent("t1", "alice", "canary-purpose", "tester", 1, granted=True)
    recorder._keys.shred("t1/alice")  # the record of the consent named them
    with reading(tmp_path / CONSENTS):
        for at_us in (5, 6):
            with pytest.raises(Unrecorded, match="read"):
                recorder.shred("t1", "alice", "an operator", at_us)
    recorder.shred("t1", "alice", "an operator", 7)
    assert b"canary-purpose" not in held_in(tmp_path, CONSENTS)
    recorder.close()


def test_what_has_passed_its_time_goes_when_nobody_reads_any_more(tmp_path: Path) -> None:
    recorder = impatient(tmp_path)
    recorder.record([entry(1, subject="alice")])
    recorder.consent("t1", "bob", "canary-purpose", "tester", 2, granted=False)
    with contextlib.closing(read_only(tmp_path / SUBJECTS)) as database:
        keys = [bytes(key) for (key,) in database.execute("SELECT key FROM subjects")]
    now_us = time.time_ns() // 1000
    with reading(tmp_path / SUBJECTS), reading(tmp_path / CONSENTS):
        assert recorder.expire(now_us, now_us) == 2
        assert recorder.forget_withdrawn(now_us, now_us) == 1
        assert said(tmp_path) == ["asked", "asked"]
        assert recorder.is_unsettled
    recorder.settle(wait=False)
    assert not recorder.is_unsettled
    assert said(tmp_path) == ["asked", "asked", "expired", "expired"]
    assert not any(key in held_in(tmp_path, SUBJECTS) for key in keys)
    assert b"canary-purpose" not in held_in(tmp_path, CONSENTS)
    recorder.close()


def test_what_a_killed_writer_left_in_a_log_of_writes_goes_at_the_next_start(tmp_path: Path) -> None:
    recorder = impatient(tmp_path)
    recorder.record([entry(1, subject="alice")])
    key = key_of_alice(tmp_path)
    with reading(tmp_path / SUBJECTS):
        with pytest.raises(Unrecorded):
            recorder.shred("t1", "alice", "an operator", 5)
        recorder.close()
        again = open_recorder(tmp_path, "test")  # starts although somebody still reads
        assert again.is_unsettled
        again.close()
        assert key in held_in(tmp_path, SUBJECTS)
    again = open_recorder(tmp_path, "test")
    assert not again.is_unsettled
    assert key not in held_in(tmp_path, SUBJECTS)
    again.close()
