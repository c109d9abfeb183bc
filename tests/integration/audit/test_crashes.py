"""Whatever happens to the writer, its disk or its files: what it acknowledged is in the log, and the log verifies."""

from __future__ import annotations

import contextlib
import platform
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.integration.audit.writing import Client, records, start_writer, writer

from forebay.audit.messages import Durable, Refused
from forebay.audit.recorder import LOG, STOPPED, resume
from forebay.audit.signing import log_verifier
from forebay.audit.verify import Trust, verify
from forebay.store.state_dir import StateDir
from forebay.testing.worker import wait_for

HERE = Path(__file__).parent


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path)
    made.prepare()
    return made


def faults(state: StateDir) -> list[str]:
    return [each.why for each in verify(state.audit / LOG, Trust(log_verifier(state.audit))).faults]


def write_until_killed(state: StateDir, run: int, acknowledged: set[str], dice: random.Random) -> None:
    """Two clients write, the writer is killed in the middle of it."""
    with writer(state) as running:
        clients = [threading.Thread(target=_write, args=(state, f"{run}.{name}.", acknowledged)) for name in "ab"]
        for client in clients:
            client.start()
        before = len(acknowledged)
        wait_for("some are acknowledged", lambda: len(acknowledged) > before + 20)
        time.sleep(dice.uniform(0, 0.05))
        running.kill()
        for client in clients:
            client.join(60)


def _write(state: StateDir, name: str, acknowledged: set[str]) -> None:
    told = 0
    with contextlib.suppress(OSError, EOFError):
        client = Client(state)
        with contextlib.closing(client):
            while True:
                client.send(7, run=name)
                answer = client.answer()
                assert isinstance(answer, Durable)
                acknowledged.update(f"{name}{number}" for number in range(told + 1, answer.upto + 1))
                told = answer.upto


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=pytest.mark.long)])
def test_a_writer_that_is_killed_again_and_again_has_lost_nothing_it_acknowledged(state: StateDir, kills: int) -> None:
    acknowledged: set[str] = set()
    dice = random.Random(7)
    for run in range(kills):
        write_until_killed(state, run, acknowledged, dice)
        assert acknowledged <= {each["id"] for each in records(state)}
    assert not faults(state)


def test_a_writer_that_is_stopped_gently_answers_everything_it_has_read(state: StateDir) -> None:
    running = start_writer(state)
    client = Client(state)
    client.send(1)
    assert client.answer() == Durable(1)
    running.send_signal(signal.SIGTERM)
    assert running.wait(60) == 0
    client.close()
    assert len(records(state)) == 1


def test_two_writers_never_hold_one_log(state: StateDir) -> None:
    with writer(state):
        command = ["--folder", str(state.audit), "--socket", str(state.run / "other.sock")]
        program = "import sys, forebay.audit.writer as w; w._LOCK_S = 0; sys.exit(w.main(sys.argv[1:]))"
        second = subprocess.run(
            [sys.executable, "-c", program, *command], capture_output=True, text=True, timeout=100, check=False
        )
    assert second.returncode == 1
    assert "another process writes the audit log" in second.stderr


def test_a_full_disk_refuses_and_loses_nothing_and_passes(state: StateDir) -> None:
    with writer(state) as running:
        client = Client(state)
        client.send(1)
        assert client.answer() == Durable(1)
        size = (state.audit / f"{LOG}-wal").stat().st_size
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (size + 8192, resource.RLIM_INFINITY))
        last = client.send(2000)
        answer = client.answer()
        assert answer == Refused(last, "full")
        assert [each["id"] for each in records(state)] == ["1"]
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        last = client.send(2000)
        assert client.answer() == Durable(last)
        client.close()
    assert len(records(state)) == 2001
    assert not faults(state)
    assert not (state.audit / STOPPED).exists()


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="the filter knows their system calls")
def test_an_fsync_that_fails_ends_the_recording_for_good(state: StateDir) -> None:
    with writer(state, str(HERE / "bad_fsync.py")) as running:
        client = Client(state)
        client.send(1)
        assert client.answer() == Durable(1)
        running.send_signal(signal.SIGUSR1)
        last = client.send(1)
        while isinstance(answer := client.answer(), Durable):  # the signal is handled between two turns
            last = client.send(1)
        assert answer == Refused(last, "stopped")
        client.close()
    durable = last - 1
    with writer(state):  # a new process does not know what the disk has forgotten: it records nothing either
        client = Client(state)
        last = client.send(1)
        assert client.answer() == Refused(last, "stopped")
        client.close()
    assert {str(number) for number in range(1, durable + 1)} <= {each["id"] for each in records(state)}
    assert "IOERR_FSYNC" in resume(state.audit)
    with writer(state):
        client = Client(state)
        last = client.send(1)
        assert client.answer() == Durable(last)
        client.close()
    assert not faults(state)
