"""Writes that leave the old content or the new, also where several threads write one file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from forebay.core.files import write_atomically


def test_two_threads_write_one_file_without_taking_each_others_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have written and neither has renamed when they go on: a draft of both would be gone for the second."""
    both, synced, lost = threading.Barrier(2, timeout=60), os.fsync, list[Exception]()
    first = threading.local()

    def slow(descriptor: int) -> None:
        synced(descriptor)
        if not hasattr(first, "done"):
            first.done = True
            both.wait()

    def write(content: bytes) -> None:
        try:
            write_atomically(tmp_path / "file", content)
        except (OSError, threading.BrokenBarrierError) as error:
            lost.append(error)

    monkeypatch.setattr(os, "fsync", slow)
    threads = [threading.Thread(target=write, args=(letter * 1000,)) for letter in (b"a", b"b")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert lost == []
    assert (tmp_path / "file").read_bytes() in (b"a" * 1000, b"b" * 1000)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
