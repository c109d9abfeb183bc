"""Processes are found as what they are, also where the folder that they work in has been removed or moved away."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.core.proc import below, untitled

_WAITS = "import sys; print(flush=True); sys.stdin.read()"


@contextmanager
def nameless(folder: Path, code: str = _WAITS) -> Iterator[subprocess.Popen[bytes]]:
    """A process without an environment, as one that has overwritten it looks, that works in `folder`."""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_who_works_in_a_folder_is_found_also_when_the_folder_is_removed(tmp_path: Path) -> None:
    folder, beside = tmp_path / "state", tmp_path / "state2"
    (folder / "edge").mkdir(parents=True)
    beside.mkdir()
    with nameless(folder) as here, nameless(folder / "edge") as under, nameless(beside) as other:
        assert untitled(folder) == {here.pid, under.pid}
        shutil.rmtree(folder)
        folder.mkdir()
        assert untitled(folder) == {here.pid, under.pid}
        beside.rmdir()
        assert untitled(folder) == {here.pid, under.pid}
        assert untitled(beside) == {other.pid}


def test_who_descends_from_a_process_is_told_with_it_down_to_those_who_are_known(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {_WAITS!r}], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "child.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            assert below({parent.pid}, known=()) == {child: parent.pid}
            assert below({parent.pid}, known={child}) == {}
            assert below((), known=()) == {}
        finally:
            parent.kill()
