"""A log is followed as it grows and is rotated: every line once."""

from __future__ import annotations

from pathlib import Path

from forebay.ops.watch.tail import Tail


def test_lines_come_once_and_whole_through_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_bytes(b"old\n")
    tail = Tail(log)
    assert list(tail.lines()) == []
    with log.open("ab") as file:
        file.write(b"one\ntw")
        file.flush()
        assert list(tail.lines()) == [b"one"]
        file.write(b"o\nthree\n")
    log.rename(tmp_path / "worker-1.log.1")
    assert list(tail.lines()) == [b"two", b"three"]
    log.write_bytes(b"four\n")
    assert list(tail.lines()) == [b"four"]
    tail.close()


def test_a_log_that_appears_later_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    tail = Tail(log)
    assert list(tail.lines()) == []
    log.write_bytes(b"first\n")
    assert list(tail.lines()) == [b"first"]
    tail.close()
