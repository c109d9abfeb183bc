"""What holds of copies that follow the load, wherever engines run: each claim is a test of every substrate."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import orjson
from tests.integration.ray.clients import WITHIN_S, Load, Runs, end
from tests.integration.scale import stream

from forebay.controller.status import EngineStatus, ScalingStatus, Status, read_status
from forebay.scale.foresight import SLOT_S
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

CALLS = 6
"""Calls for each copy: the streams leave room in one."""
TWO, THREE = 8, 15
"""Clients that ask for so many copies, also while one or two of them are between calls, or beside the streams."""
SCALE = {"least": 1, "most": 3, "calls": CALLS, "up": "1s", "down": "3s", "ahead": "10m"}
_DAY = round(86_400 / SLOT_S)
ENGINE: dict[str, Any] = {
    "kind": "embedded",
    "count": 3,
    "threads": 1,
    "context_tokens": 3072,
    "max_sequences": stream.STREAMS - 1,
    "drain": "300s",
    "scale": SCALE,
}
GATEWAY = {"queue": {"wait": "120s"}}


class Site(Protocol):
    """A service beside engines that are elsewhere; `machine` is where it and its clients run."""

    service: Service

    @property
    def machine(self) -> Runs: ...

    def held(self) -> int:
        """How many engines the substrate holds, or holds room for."""
        ...


class Streams:
    """One more than a copy has places for, so that of two copies each has one; begun by `begin`.

    Made with nothing else in flight. They outlast `down`, a controller's death and its successor's first looks.
    """

    def __init__(self, site: Site) -> None:
        self._begin = site.service.folder / f"begin-{secrets.token_hex(4)}"
        port, key = str(site.service.content["gateway"]["port"]), site.service.key
        argv = (sys.executable, stream.__file__, port, key, str(self._begin))
        self._running = site.machine.run(argv, {}, stdout=subprocess.PIPE)
        try:
            wait_for("one has been tried", self._begin.with_suffix(".tried").exists, WITHIN_S)
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_why: object) -> None:
        self.end()

    def begin(self) -> None:
        self._begin.touch()
        wait_for("all streams flow", self._begin.with_suffix(".flow").exists, WITHIN_S)

    @property
    def flow(self) -> bool:
        """Whether none of them has ended."""
        return not self._begin.with_suffix(".ended").exists()

    def end(self) -> None:
        """Whatever became of them; none is left, for they would be load to whoever comes next."""
        self._begin.with_suffix(".over").touch()
        end(self._running, WITHIN_S)

    def are_whole(self) -> None:
        said, _ = self._running.communicate(timeout=500)
        found = orjson.loads(said)
        assert [each["tokens"] for each in found] == [each["asked"] for each in found]
        assert [(each["finish"], each["ended"]) for each in found] == [("length", "done")] * stream.STREAMS


def status(site: Site) -> Status:
    """As the controller last wrote it: a command takes longer than a change."""
    found = read_status(site.service.state.status)
    assert found is not None
    return found


def scaling(site: Site) -> ScalingStatus:
    (found,) = status(site).scaling
    return found


def ready(site: Site) -> list[EngineStatus]:
    return [each for each in status(site).engines if each.state == "ready"]


def draining(site: Site) -> list[EngineStatus]:
    """Those that run, and take no calls any more."""
    return [each for each in status(site).engines if each.state == "draining" and each.pid]


def load(site: Site, clients: int) -> Load:
    return Load(site.service, site.machine, clients)


def rests(site: Site) -> bool:
    """Whether one copy runs without a call, and nothing else is there."""
    found = status(site)
    running = [(each.state, each.running, each.waiting) for each in found.engines if each.pid]
    return found.scaling[0].copies == 1 and running == [("ready", 0, 0)] and site.held() == 1


def stays(site: Site, claim: str, true: Callable[[], bool], looks: int = 12) -> None:
    """What holds now holds in each of the next statuses too."""
    seen: set[float] = set()

    def is_so() -> bool:
        seen.add(status(site).controller.updated_at)
        assert true(), claim
        return len(seen) > looks

    wait_for(claim, is_so, WITHIN_S)


def kill_controller(site: Site) -> None:
    """SIGKILL; wait until another one leads."""
    before = status(site).controller.pid
    site.machine.output("kill", "-9", str(before))
    wait_for("another controller adopts it all", lambda: status(site).controller.pid != before, WITHIN_S)


@contextmanager
def one_drains(site: Site) -> Iterator[Streams]:
    """Of two copies with streams on each; one rests before and after."""
    wait_for("one rests", lambda: rests(site), WITHIN_S)
    with Streams(site) as streams, load(site, TWO) as calls:
        wait_for("two copies are ready", lambda: len(ready(site)) == 2, WITHIN_S)
        streams.begin()  # under the load: it keeps both copies until the streams flow on both
        calls.all_answered()
        wait_for("one drains", lambda: scaling(site).copies == 1 and len(draining(site)) == 1, WITHIN_S)
        assert streams.flow, "the streams were too short: a copy may have gone since it had none"
        yield streams
    wait_for("one rests", lambda: rests(site), WITHIN_S)


def comes_with_the_load_and_goes_with_its_streams_whole(site: Site) -> None:
    with one_drains(site) as streams:
        streams.are_whole()


def outlives_its_controller_while_it_grows(site: Site) -> None:
    wait_for("one rests", lambda: rests(site), WITHIN_S)
    with load(site, TWO) as calls:
        wait_for("a copy is coming, or there already", lambda: scaling(site).copies == 2, WITHIN_S)
        kill_controller(site)
        wait_for("two copies are ready", lambda: len(ready(site)) == 2, WITHIN_S)
        assert site.held() == scaling(site).copies
        calls.all_answered()
    wait_for("one rests", lambda: rests(site), WITHIN_S)


def outlives_its_controller_while_it_shrinks(site: Site) -> None:
    with one_drains(site) as streams:
        kill_controller(site)
        streams.are_whole()


def leaves_no_engine_where_its_agent_is_killed(site: Site) -> None:
    """While it drains: nobody would want the engine again, and nobody else knows of it."""
    with one_drains(site) as streams:
        (drains,) = draining(site)
        site.machine.output("kill", "-9", str(drains.pid))
        streams.are_whole()


def comes_ahead_of_its_calls(site: Site) -> None:
    """By a record of two days with a peak that is to come again in a few minutes; without it, it goes."""
    wait_for("one rests", lambda: rests(site), WITHIN_S)
    assert scaling(site).no_forecast == "no whole day is recorded yet"
    record = site.service.state.logs / "worker-9.log"
    record.write_text("".join(f"{orjson.dumps(line).decode()}\n" for line in _recorded(time.time())))
    wait_for("it is foretold", lambda: scaling(site).expected > CALLS, WITHIN_S)
    wait_for("two copies are ready", lambda: len(ready(site)) >= 2, WITHIN_S)
    assert "are foreseen" in scaling(site).why
    record.unlink()
    wait_for("one rests", lambda: rests(site), WITHIN_S * 2)


def _recorded(now_s: float) -> Iterator[dict[str, Any]]:
    """A call in flight at any time, and enough for two in the hour that came after this one on earlier days."""
    first = int(now_s / SLOT_S)
    for slot in range(first - 2 * _DAY, first):
        peak = 2 <= (slot - first) % _DAY < 14
        for _call in range(CALLS + 2 if peak else 1):
            ended = datetime.fromtimestamp((slot + 1) * SLOT_S - 1, UTC).isoformat()
            line = {"timestamp": ended, "message": "request", "model": "m", "engine": "m-embedded-1"}
            tokens = {"input": 9, "output": 9}
            yield line | {"tokens": tokens, "latency_ms": (SLOT_S - 2) * 1000, "endpoint": "/", "status": 200}


def keeps_its_number_while_a_release_is_put_in_force(site: Site) -> None:
    """Though the load would have copies go meanwhile, and has them go afterwards, in a time of its own."""
    wait_for("one rests", lambda: rests(site), WITHIN_S)
    with load(site, TWO) as calls:
        wait_for("two copies are ready", lambda: len(ready(site)) == 2, WITHIN_S)
        site.service.content["models"]["m"]["engines"][0]["context_tokens"] += 256
        site.service.write()
        argv = [sys.executable, "-m", "forebay", "apply", "--yes", "-c", str(site.service.file)]
        applying = site.machine.run(argv, {}, stdout=subprocess.DEVNULL)
        try:
            wait_for("the change is under way", lambda: scaling(site).held == "change", WITHIN_S)
            copies = scaling(site).copies
            calls.all_answered()
            wait_for("it is applied", lambda: _is_over(site, applying, copies), WITHIN_S * 2)
        finally:
            end(applying)
    assert applying.returncode == 0
    assert ready(site)
    wait_for("one rests", lambda: rests(site), WITHIN_S)


def _is_over(site: Site, applying: subprocess.Popen[bytes], copies: int) -> bool:
    found = scaling(site)
    assert found.held != "change" or found.copies == copies
    return applying.poll() is not None


ANYWHERE: tuple[Callable[[Any], None], ...] = (
    comes_with_the_load_and_goes_with_its_streams_whole,
    outlives_its_controller_while_it_grows,
    outlives_its_controller_while_it_shrinks,
    keeps_its_number_while_a_release_is_put_in_force,
)
WITH_AGENTS = (*ANYWHERE, leaves_no_engine_where_its_agent_is_killed)
"""Where somebody else puts the engines."""
