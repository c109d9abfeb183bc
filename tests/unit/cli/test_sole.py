"""Only one command changes what runs; the second is told who does."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from forebay.cli.service import sole
from forebay.core.errors import RunError
from forebay.store.state_dir import StateDir
from forebay.testing.worker import wait_for

_SLOW_GIT = """#!/bin/sh
touch "{asked}"
while [ ! -e "{go}" ]; do sleep 0.02; done
echo ops@example.com
"""


def test_who_changes_what_runs_is_told_also_while_git_is_asked_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go, git = tmp_path / "asked", tmp_path / "go", tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(_SLOW_GIT.format(asked=asked, go=go))
    git.chmod(0o700)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("FOREBAY_AUTHOR", raising=False)
    state = StateDir(tmp_path / "state")
    state.prepare()
    held, leave = threading.Event(), threading.Event()

    def change() -> None:
        with sole(state):
            held.set()
            leave.wait(60)

    first = threading.Thread(target=change)
    first.start()
    try:
        wait_for("git is asked", asked.exists)
        with pytest.raises(RunError, match=f": pid {os.getpid()}\n"), sole(state):
            pass
        go.touch()
        assert held.wait(60)
        with pytest.raises(RunError, match=f": ops@example.com, pid {os.getpid()}\n"), sole(state):
            pass
    finally:
        go.touch()
        leave.set()
        first.join()
