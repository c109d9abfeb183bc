"""The kernel's lock decides on one machine, and a leader that is silent is not waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.controller.lease.fence import Fence, FencedSubstrate
from forebay.controller.lease.local import LocalLease, Silence, read_leader
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate
from forebay.testing.worker import wait_for

HOLDS = """
import sys, time
from pathlib import Path
from forebay.controller.lease.local import LocalLease
lease = LocalLease(Path(sys.argv[1]), "controller-2", 0.5, lambda: False)
assert lease.take(0.0)
print("leads", flush=True)
time.sleep(600)
"""


def contender(path: Path) -> LocalLease:
    return LocalLease(path, "controller", 1.0, lambda: False)


def test_only_one_holds_it_and_each_next_one_has_a_higher_number(tmp_path: Path) -> None:
    path = tmp_path / "leader"
    first, second = contender(path), contender(path)
    assert first.take(0.0)
    assert not second.take(0.0)
    assert first.holds()
    assert not second.holds()
    first.release()
    assert second.take(0.1)
    assert (first.number, second.number) == (1, 2)
    found = read_leader(path)
    assert found is not None
    assert (found.unit, found.number, found.me.pid) == ("controller", 2, os.getpid())
    second.release()


def test_a_file_that_was_replaced_is_held_by_nobody(tmp_path: Path) -> None:
    path = tmp_path / "leader"
    first, second = contender(path), contender(path)
    assert first.take(0.0)
    path.unlink()
    assert not first.holds()
    assert second.take(0.0)
    first.release()
    second.release()


def test_a_leader_that_is_stopped_is_killed_and_its_lock_is_free(tmp_path: Path) -> None:
    path = tmp_path / "leader"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"leads\n"
            lease, now_s = contender(path), 0.0
            os.kill(other.pid, signal.SIGSTOP)
            while not lease.take(now_s):
                now_s += 0.25
                assert now_s < 60
                wait_for("the kernel has seen a kill", lambda: now_s < 1.5 or other.poll() is not None)  # noqa: B023
            assert other.wait(60) == -signal.SIGKILL
            assert lease.number == 2
            lease.release()
        finally:
            other.kill()


def test_silence_is_counted_only_while_the_one_who_listens_is_awake() -> None:
    silence = Silence(5.0)
    assert not silence.is_over(1, 0.0)
    assert not silence.is_over(1, 3600.0), "the whole machine slept: the leader had no time to beat either"
    assert not silence.is_over(2, 3600.1)
    looks = [silence.is_over(2, 3600.1 + 0.5 * look) for look in range(1, 12)]
    assert looks == [False] * 9 + [True] * 2


def test_who_has_lost_the_lease_acts_on_nothing_and_only_looks(tmp_path: Path) -> None:
    class Ended(Exception):
        pass

    def end() -> None:
        raise Ended

    state = StateDir(tmp_path)
    state.prepare()
    fenced = FencedSubstrate(LocalSubstrate(state), Fence("here", 1, lambda: False, end))
    actions = (
        lambda: fenced.signal("e", 1),
        lambda: fenced.stop(["e"], 1.0),
        lambda: fenced.kill("e"),
        lambda: fenced.delete("e"),
        fenced.end_strays,
    )
    for act in actions:
        with pytest.raises(Ended):
            act()
    assert (fenced.observe(), fenced.find("e"), fenced.strays()) == ({}, None, {})
