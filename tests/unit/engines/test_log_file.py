"""A unit's log is rotated by size and age, and a full disk loses lines but nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from forebay.engines.log_file import LogFile
from forebay.engines.log_tail import last_lines, tail


def test_a_log_is_rotated_and_the_oldest_goes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "e.log", rotate_bytes=10, keep=2)
    for number in range(4):
        log.write(f"line {number}..\n".encode())
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.log", "e.log.1", "e.log.2"]
    assert (tmp_path / "e.log").read_text() == "line 3..\n"
    assert (tmp_path / "e.log.2").read_text() == "line 1..\n"
    assert last_lines(tmp_path / "e.log", 2) == ["line 2..", "line 3.."]


def test_a_log_goes_on_where_an_earlier_holder_ended(tmp_path: Path) -> None:
    for text in (b"one\n", b"two\n"):
        log = LogFile(tmp_path / "e.log", rotate_bytes=100, keep=2)
        log.write(text)
        log.close()
    assert (tmp_path / "e.log").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "e.log").stat().st_mode & 0o077 == 0


def test_a_file_whose_first_line_is_older_than_its_span_is_rotated(tmp_path: Path) -> None:
    old, new = b'{"timestamp":"2020-01-01T00:00:00.000Z","a":1}\n', b'{"timestamp":"2999-01-01T00:00:00.000Z"}\n'
    (tmp_path / "e.log").write_bytes(old)
    for span_s, files in ((0.0, ["e.log"]), (60.0, ["e.log", "e.log.1"])):
        log = LogFile(tmp_path / "e.log", rotate_bytes=10_000, keep=2, span_s=span_s)
        log.write(new)
        log.write(new)
        log.close()
        assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert (tmp_path / "e.log").read_bytes() == new * 2


def test_a_disk_that_takes_nothing_is_counted_and_tried_again(tmp_path: Path) -> None:
    target = tmp_path / "e.log"
    target.symlink_to("/dev/full")
    log = LogFile(target, rotate_bytes=100, keep=2)
    log.write(b"lost\n")
    log.write(b"lost\n")
    assert log.dropped == 2
    log.close()
    target.unlink()
    log.write(b"kept\n")
    log.close()
    assert target.read_bytes() == b"kept\n"


def test_the_tail_prefers_errors_and_leaves_the_holder_out(tmp_path: Path) -> None:
    lines = [
        '{"level":"info","message":"loading"}',
        '{"level":"error","message":"no such tensor"}',
        '{"level":"info","message":"bye"}',
        '{"level":"error","message":"ended with status 1","part":"holder"}',
    ]
    (tmp_path / "e.log").write_text(os.linesep.join(lines) + "\n")
    assert tail(tmp_path / "e.log", 3) == ["no such tensor"]
