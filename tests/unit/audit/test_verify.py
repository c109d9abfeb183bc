"""Whatever is done to the records, the log no longer verifies; and whatever is done to the log, a checkpoint shows."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from tests.unit.audit.logs import entry, kinds, recorded, verified

from forebay.audit.database import read_only
from forebay.audit.note import Checkpoint, Signer, checkpoint_of, signed
from forebay.audit.recorder import LOG, open_recorder
from forebay.audit.signing import log_signer
from forebay.audit.store import head_of
from forebay.core.errors import StateError

RECORDS = 700


@pytest.fixture
def log(tmp_path):
    recorded(tmp_path, RECORDS).close()
    return tmp_path


def change(folder, *statements):
    database = sqlite3.connect(folder / LOG, isolation_level=None)
    for statement in statements:
        database.execute(*statement) if isinstance(statement, tuple) else database.execute(statement)
    database.close()


def checkpoint(folder):
    database = read_only(folder / LOG)
    try:
        return head_of(database)
    finally:
        database.close()


def test_an_untouched_log_verifies(log):
    verdict = verified(log, elsewhere=(checkpoint(log),))
    assert (verdict.records, verdict.elsewhere, verdict.faults) == (RECORDS, 1, ())


def test_an_edit_is_found_and_placed(log):
    change(log, "UPDATE leaves SET leaf = CAST(replace(leaf, 'call-300', 'call-999') AS BLOB) WHERE position = 300")
    (fault,) = verified(log).faults
    assert (fault.kind, fault.start <= 300 < fault.end, fault.end - fault.start) == ("changed", True, 256)


def test_an_edit_that_also_mends_the_kept_hashes_is_found(log):
    change(log, "UPDATE leaves SET leaf = x'78' WHERE position = 300", "DELETE FROM tiles")
    assert kinds(verified(log)) == {"changed"}


def test_a_deletion_is_found(log):
    change(log, "DELETE FROM leaves WHERE position BETWEEN 10 AND 12")
    verdict = verified(log)
    assert {"missing", "truncated"} <= kinds(verdict)
    assert (verdict.faults[0].start, verdict.faults[0].end) == (10, 13)


def test_a_deletion_whose_gap_was_closed_is_found(log):
    change(
        log, "DELETE FROM leaves WHERE position = 10", "UPDATE leaves SET position = position - 1 WHERE position > 10"
    )
    assert "truncated" in kinds(verified(log))


def test_an_insertion_is_found(log):
    change(
        log,
        "UPDATE leaves SET position = -position - 1 WHERE position >= 10",
        "UPDATE leaves SET position = -position WHERE position < 0",
        ("INSERT INTO leaves VALUES (10, ?)", (b"{}",)),
    )
    assert {"changed", "unsigned"} <= kinds(verified(log))


def test_reordering_is_found(log):
    change(
        log,
        "UPDATE leaves SET position = -1 WHERE position = 5",
        "UPDATE leaves SET position = 5 WHERE position = 6",
        "UPDATE leaves SET position = 6 WHERE position = -1",
    )
    assert kinds(verified(log)) == {"changed"}


def test_an_appended_record_that_nobody_signed_is_found(log):
    change(log, ("INSERT INTO leaves VALUES (?, ?)", (RECORDS, b"{}")))
    assert kinds(verified(log)) == {"unsigned"}


def test_a_log_that_was_cut_is_found_by_its_own_checkpoint(log):
    change(log, "DELETE FROM leaves WHERE position >= 600")
    assert kinds(verified(log)) == {"truncated"}


def test_a_log_taken_back_to_an_older_state_is_found_by_a_checkpoint_from_elsewhere(tmp_path):
    folder, older = tmp_path / "log", tmp_path / "older"
    recorded(folder, 300).close()
    shutil.copytree(folder, older)
    recorder = open_recorder(folder, "test")
    recorder.record([entry(number) for number in range(300, 400)])
    recorder.close()
    kept = checkpoint(folder)
    assert not verified(older).faults  # by itself it is as good as it was
    assert kinds(verified(older, elsewhere=(kept,))) == {"truncated"}


def test_a_history_that_was_written_anew_with_the_logs_own_key_is_a_fork(tmp_path):
    folder, other = tmp_path / "log", tmp_path / "other"
    recorded(folder, 300).close()
    other.mkdir()
    for name in ("signing.key", "log.vkey"):
        shutil.copy(folder / name, other / name)
    recorder = open_recorder(other, "test")
    recorder.record([entry(number, model="another") for number in range(400)])
    recorder.close()
    assert not verified(other).faults
    assert kinds(verified(other, elsewhere=(checkpoint(folder),))) == {"fork"}


def test_a_checkpoint_that_another_key_signed_is_no_checkpoint(log):
    found = checkpoint_of(checkpoint(log))
    forged = Signer(found.origin, bytes(32))
    change(log, ("UPDATE head SET note = ?", (str(signed(found, forged.sign(found.text))),)))
    assert "signature" in kinds(verified(log))


def test_a_checkpoint_of_another_log_does_not_count(log):
    signer = log_signer(log, "unused")
    elsewhere = Checkpoint("another/log", 5, bytes(32))
    note = signed(elsewhere, signer.sign(elsewhere.text))
    assert kinds(verified(log, elsewhere=(note,))) == {"signature"}


def test_a_log_that_was_changed_is_not_written_to(log):
    change(log, "UPDATE leaves SET leaf = x'78' WHERE position = 699")
    with pytest.raises(StateError, match="not what its newest checkpoint says"):
        open_recorder(log, "test")
