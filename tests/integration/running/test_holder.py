"""A holder owns its program, its group and its log, and takes them all along, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from forebay.core.proc import start_ticks
from forebay.engines.record import UnitRecord, write_spec
from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate, is_running, why_ended
from forebay.testing.worker import wait_for

# Starts a child of its own group and a grandchild in a session of its own, tells their pids, and stays.
FAMILY = """
import subprocess, sys, time
same = subprocess.Popen(["sleep", "600"])
other = subprocess.Popen(["sleep", "600"], start_new_session=True)
print("pids", same.pid, other.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateDir]:
    state = StateDir(tmp_path / "state")
    state.prepare()
    yield state
    LocalSubstrate(state).kill("unit")
    LocalSubstrate(state).end_strays()


def unit(state: StateDir, *argv: str, **more: object) -> UnitSpec:
    spec = UnitSpec(name="unit", argv=argv, env={"PATH": os.environ["PATH"]}, log=str(state.log("unit")), stop_s=10.0)
    return msgspec.structs.replace(spec, **more)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def log_lines(state: StateDir) -> list[dict[str, object]]:
    path = state.log("unit")
    whole, _, _ = path.read_text().rpartition("\n") if path.exists() else ("", "", "")  # without a line half written
    return [json.loads(line) for line in whole.splitlines()]


def said(state: StateDir, text: str) -> bool:
    return any(text in str(line["message"]) for line in log_lines(state))


def family(state: StateDir) -> list[int]:
    wait_for("the family is there", lambda: said(state, "pids"))
    message = next(str(line["message"]) for line in log_lines(state) if "pids" in str(line["message"]))
    return [int(pid) for pid in message.split()[1:]]


def gone(pids: list[int]) -> bool:
    return all(start_ticks(pid) is None for pid in pids)


def pids_of(record: UnitRecord) -> list[int]:
    assert record.program is not None
    return [record.holder.pid, record.program.pid]


def watchers_of(record: UnitRecord) -> set[int]:
    children = Path(f"/proc/{record.holder.pid}/task/{record.holder.pid}/children")
    return {int(pid) for pid in children.read_text().split()} - set(pids_of(record))


def test_a_killed_holder_takes_the_program_and_its_grandchildren_along(state: StateDir) -> None:
    record = LocalSubstrate(state).start(unit(state, *python(FAMILY)))
    pids = [*pids_of(record), *family(state)]
    os.kill(record.holder.pid, signal.SIGKILL)
    wait_for("all are gone", lambda: gone(pids))
    wait_for("its watcher has left too", lambda: LocalSubstrate(state).strays() == {})


def test_a_program_that_dies_leaves_nothing_behind(state: StateDir) -> None:
    record = LocalSubstrate(state).start(unit(state, *python(FAMILY)))
    pids = [*pids_of(record), *family(state)]
    os.kill(pids[1], signal.SIGKILL)
    wait_for("all are gone", lambda: gone(pids))
    ended = LocalSubstrate(state).find("unit")
    assert ended is not None
    assert ended.exit_status == -signal.SIGKILL


def test_stopping_asks_first_and_the_program_may_finish(state: StateDir) -> None:
    code = "import os,signal,time\nsignal.signal(15, lambda *_: (os.write(1, b'bye\\n'), os._exit(0)))\n"
    record = LocalSubstrate(state).start(unit(state, *python(code + "print('up', flush=True)\ntime.sleep(600)")))
    wait_for("it is up", lambda: said(state, "up"))
    assert LocalSubstrate(state).stop(["unit"], 60.0) == ()
    assert said(state, "bye")
    assert gone(pids_of(record))


def test_a_program_that_does_not_listen_is_killed_after_its_grace(state: StateDir) -> None:
    code = "import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
    record = LocalSubstrate(state).start(unit(state, *python(code), stop_s=0.2))
    wait_for("it is deaf", lambda: said(state, "deaf"))
    LocalSubstrate(state).stop(["unit"], 60.0)
    assert gone(pids_of(record))


def test_a_program_that_cannot_be_started_says_why(state: StateDir) -> None:
    record = LocalSubstrate(state).start(unit(state, "/no/such/program"))
    assert not is_running(record)
    assert record.exit_status == 127
    assert "/no/such/program" in str(why_ended(record, state.log("unit")))


def test_another_process_adopts_the_unit_by_its_record(state: StateDir) -> None:
    record = LocalSubstrate(state).start(unit(state, *python(FAMILY), digest="abc", port=71))
    adopted = LocalSubstrate(state).observe()["unit"]
    assert adopted == record
    assert (adopted.digest, adopted.port) == ("abc", 71)
    assert is_running(adopted)


def test_output_that_is_not_json_becomes_json(state: StateDir) -> None:
    code = "print('INFO:     hello', flush=True)\nprint('{\"message\": \"mine\"}', flush=True)"
    LocalSubstrate(state).start(unit(state, *python(code), service="chat", version="9"))
    wait_for("it has ended", lambda: said(state, "ended with status 0"))
    hello, mine = log_lines(state)[:2]
    assert (hello["level"], hello["message"], hello["service"], hello["version"]) == ("info", "hello", "chat", "9")
    assert mine == {"message": "mine"}


def test_a_full_disk_does_not_stop_the_program(state: StateDir) -> None:
    state.log("unit").symlink_to("/dev/full")
    done = state.root / "done"
    lines = "for n in range(200_000): print('a line that nobody keeps', n)"
    code = f"import pathlib\n{lines}\npathlib.Path({str(done)!r}).touch()"
    LocalSubstrate(state).start(unit(state, *python(code)))
    wait_for("it has written everything", done.exists, 60)


def test_a_unit_that_restarts_is_started_again_by_its_holder_alone(state: StateDir) -> None:
    first = LocalSubstrate(state).start(unit(state, *python("import time; time.sleep(600)"), restart=True))
    assert first.program is not None
    os.kill(first.program.pid, signal.SIGKILL)
    wait_for("it is back", lambda: (LocalSubstrate(state).find("unit") or first).starts == 2)
    second = LocalSubstrate(state).find("unit")
    assert second is not None
    assert second.holder == first.holder


def test_a_process_without_a_holder_is_found_by_its_mark_and_ended(state: StateDir) -> None:
    mark = f"{state.root.resolve()}:lost"
    lost = subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "FOREBAY_UNIT": mark})
    try:
        wait_for("it is found", lambda: lost.pid in LocalSubstrate(state).strays())
        assert LocalSubstrate(state).end_strays() == ("lost",)
        assert lost.wait(60) == -signal.SIGKILL
    finally:
        lost.kill()
        lost.wait()


def test_a_unit_whose_record_was_removed_is_not_started_a_second_time_beside_itself(state: StateDir) -> None:
    substrate = LocalSubstrate(state)
    first = substrate.start(unit(state, "sleep", "600"))
    assert first.program is not None
    state.unit("unit").unlink()
    second = substrate.start(unit(state, "sleep", "600"))
    assert second.program is not None
    assert start_ticks(first.program.pid) is None
    assert start_ticks(first.holder.pid) is None
    assert {second.program.pid, second.holder.pid} <= substrate.processes().keys()


def test_a_watcher_that_is_killed_is_replaced(state: StateDir) -> None:
    record = LocalSubstrate(state).start(unit(state, *python(FAMILY)))
    pids = [*pids_of(record), *family(state)]
    watchers = watchers_of(record)
    for watcher in watchers:
        os.kill(watcher, signal.SIGKILL)
    wait_for("another one is there", lambda: watchers_of(record) - watchers)
    os.kill(record.holder.pid, signal.SIGKILL)
    wait_for("all are gone", lambda: gone(pids))


def test_a_unit_that_was_stopped_leaves_no_stray(state: StateDir) -> None:
    """Not its watcher either: suspended here, it stands for one that has not come round to its own end yet."""
    record = LocalSubstrate(state).start(unit(state, "sleep", "600"))
    (watcher,) = watchers_of(record)
    os.kill(watcher, signal.SIGSTOP)
    assert LocalSubstrate(state).stop(["unit"], 60.0) == ()
    assert LocalSubstrate(state).end_strays() == ()
    assert gone([watcher])


def test_a_program_that_ended_by_itself_leaves_no_stray(state: StateDir, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    record = LocalSubstrate(state).start(unit(state, "cat", str(tmp_path / "go")))
    (watcher,) = watchers_of(record)
    os.kill(watcher, signal.SIGSTOP)
    (tmp_path / "go").write_bytes(b"")
    wait_for("the holder has left", lambda: not record.holder.alive)
    assert LocalSubstrate(state).end_strays() == ()
    assert gone([watcher])


def test_a_crash_writes_no_memory_to_the_disk(state: StateDir) -> None:
    """It holds prompts, keys and the pepper."""
    code = "import resource; print('core', *resource.getrlimit(resource.RLIMIT_CORE), flush=True)"
    LocalSubstrate(state).start(unit(state, *python(code)))
    wait_for("it has told", lambda: said(state, "core 0 0"))


def test_a_unit_on_a_leash_ends_with_whoever_started_it(state: StateDir, tmp_path: Path) -> None:
    """Killed, so that it can do nothing about it itself."""
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import os, sys, time, msgspec\n"
        "from pathlib import Path\n"
        "from forebay.engines.record import read_spec\n"
        "from forebay.store.state_dir import StateDir\n"
        "from forebay.substrate.local import LocalSubstrate\n"
        "spec = read_spec(Path(sys.argv[2]))\n"
        "LocalSubstrate(StateDir(Path(sys.argv[1]))).start(msgspec.structs.replace(spec, leash=os.getpid()))\n"
        "time.sleep(600)\n",
        encoding="utf-8",
    )
    write_spec(tmp_path / "unit.spec", unit(state, *python(FAMILY)))
    with subprocess.Popen([sys.executable, str(starter), str(state.root), str(tmp_path / "unit.spec")]) as program:
        try:
            pids = family(state)
            record = LocalSubstrate(state).find("unit")
            assert record is not None
        finally:
            program.kill()
    wait_for("all are gone", lambda: gone([*pids_of(record), *pids]))
    assert said(state, "whoever started this has ended")


def test_a_program_that_starts_deaf_to_its_stop_answers_it_in_the_end(state: StateDir) -> None:
    substrate = LocalSubstrate(state)
    waits = "import signal, sys; sys.exit(40 + signal.sigwait({signal.SIGTERM}))"
    substrate.start(unit(state, *python(waits), stop_waits=True))
    assert substrate.stop(["unit"], 15.0) == ()
    record = substrate.find("unit")
    assert record is not None
    assert record.exit_status == 55
