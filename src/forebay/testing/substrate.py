"""What every substrate must do, as claims: each is run with a real engine on every kind that a machine can run.

A claim takes a `Site` and leaves it usable for the next one, in whatever order. It asks nothing of the kind: what the
controller would start here is started, and the engine itself is looked for among the processes of the machine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil
from ruamel.yaml import YAML

from forebay.config.load import load
from forebay.controller.plan import plan_engines
from forebay.controller.unit import Desired
from forebay.engines.fleet import expand
from forebay.engines.record import UnitRecord
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate, is_running, why_ended
from forebay.substrate.place import Place, read_place
from forebay.testing.worker import free_port, wait_for

WITHIN_S = 60.0
_UNIT = "engine"
_ASK = "import sys, urllib.request as request; sys.exit(request.urlopen(sys.argv[1], timeout=5).status != 200)"


class Site:
    """One embedded engine on a substrate.

    `section` is the substrate's part of forebay.yaml. `prefix` stands before every command that must run on the
    cluster's own network. `no_room` are keys of an engine that no node has room for; None where there is no such thing.
    """

    def __init__(
        self,
        folder: Path,
        section: Mapping[str, object],
        *,
        prefix: Sequence[str] = (),
        no_room: Mapping[str, object] | None = None,
    ) -> None:
        self.folder, self.section, self.no_room = folder, dict(section), no_room
        self._prefix = tuple(prefix)
        self.model = f"m{uuid.uuid4().hex[:12]}"
        self.state = StateDir(folder / ".forebay")
        self.state.prepare()
        self._substrate = LocalSubstrate(self.state)

    def namesake(self) -> Site:
        """Another service on the same substrate, whose name and whose engine's name are the same."""
        return Site(self.folder / "namesake", self.section, prefix=self._prefix, no_room=self.no_room)

    def start(self, **engine: object) -> UnitRecord:
        """Start the unit of an engine with these keys, as the controller does."""
        desired = self._desired(engine)
        assert desired.make is not None
        if desired.prepare is not None:
            asyncio.run(_call(desired))
        wait_for("its earlier holder has gone", self._is_free, WITHIN_S)
        spec = desired.make(free_port())
        # What stands before the agent would be deaf to the stop in its place, and for ever.
        waits = spec.stop_waits and not self._prefix
        return self._substrate.start(msgspec.structs.replace(spec, argv=(*self._prefix, *spec.argv), stop_waits=waits))

    def serves(self) -> str:
        """Have an engine that answers; returns its URL."""
        if self.unit() is None:
            self.start()
        wait_for("the engine answers", self._answers, WITHIN_S)
        return self.url()

    def url(self) -> str:
        """Where the engine listens; empty while that is not known."""
        unit = self.unit()
        place = self.place() if self.is_remote else Place("127.0.0.1", unit.port if unit else 0)
        return f"http://{place.host}:{place.port}" if place is not None and place.port else ""

    def place(self) -> Place | None:
        return read_place(self.state.run / f"{_UNIT}.place")

    def unit(self) -> UnitRecord | None:
        """The unit, if it runs."""
        record = self._substrate.find(_UNIT)
        return record if record is not None and is_running(record) else None

    def why(self) -> str:
        """How the unit ended; empty while it runs."""
        record = self._substrate.find(_UNIT)
        return "" if record is None or is_running(record) else str(why_ended(record, self.state.log(_UNIT), 20))

    def log(self) -> str:
        path = self.state.log(_UNIT)
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def engines(self) -> frozenset[int]:
        """Processes that serve the model, wherever on this machine they are."""
        found = set()
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            # Not what starts it: a container's init has its command line too, behind its own.
            if self.model in words and words[1:3] == ["-m", "forebay.engines.embedded_server"]:
                found.add(process.pid)
        return frozenset(found)

    def kill_engine(self) -> None:
        """The engine dies, without a word to whoever looks after it."""
        for pid in self.engines():
            os.kill(pid, signal.SIGKILL)

    def lose_hand(self) -> None:
        """Whoever stands here for the engine is killed: the agent, and with it its holder."""
        self._substrate.kill(_UNIT)
        wait_for("it is gone", lambda: self.unit() is None, WITHIN_S)

    def lose_book(self) -> None:
        """The whole state directory is gone, as with the disk that it was on."""
        shutil.rmtree(self.state.root)

    def unclaimed(self, *arguments: str) -> list[dict[str, str]]:
        """What `forebay engine unclaimed` answers."""
        command = ("forebay", "engine", "unclaimed", *arguments, "-o", "json", "-c", str(self.folder / "forebay.yaml"))
        argv = [*self._prefix, sys.executable, "-m", *command]
        done = subprocess.run(argv, capture_output=True, check=False, timeout=WITHIN_S * 3)
        assert done.returncode == 0, done.stderr.decode()
        return msgspec.json.decode(done.stdout or b"[]", type=list[dict[str, str]])

    def stop(self) -> None:
        late = self._substrate.stop([_UNIT], 90.0)
        assert late == (), "the unit had to be killed"

    def clear(self) -> None:
        """Stop what runs; what an agent left behind is found and stopped by a new one."""
        if self.engines() and self.unit() is None:
            self.start()
        if self.unit() is not None:
            self.stop()

    @property
    def is_remote(self) -> bool:
        return self.section.get("kind", "local") != "local"

    def _is_free(self) -> bool:
        record = self._substrate.find(_UNIT)
        return record is None or not record.holder.alive or record.ended_at is None

    def _answers(self) -> bool:
        assert not self.why(), self.why()
        url = self.url()
        argv = [*self._prefix, sys.executable, "-S", "-c", _ASK, f"{url}/health"]
        return bool(url) and subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def _desired(self, engine: Mapping[str, object]) -> Desired:
        keys = {"kind": "embedded", "name": _UNIT, "context_tokens": 512, "max_sequences": 1, "threads": 1}
        content = {
            "version": 1,
            "environment": "development",
            "hardware": "cpu",
            "models": {self.model: {"engines": [keys | dict(engine)]}},
            "substrate": self.section,
        }
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "forebay.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(content, file)
        config = load(path).config
        (desired, _probe) = plan_engines(expand(config, self.folder), config, self.state)[_UNIT]
        return desired


def answers_where_it_says(site: Site) -> None:
    """An engine that is started answers at the place that is told."""
    site.serves()
    assert len(site.engines()) == 1


def tells_its_log(site: Site) -> None:
    """What the engine writes is in the unit's log here."""
    site.serves()
    wait_for("its words are here", lambda: f"{site.model} listens on" in site.log(), WITHIN_S)


def tells_its_end(site: Site) -> None:
    """An engine that dies ends its unit, with the reason; started again it serves."""
    site.serves()
    before = site.engines()
    site.kill_engine()
    wait_for("the unit has ended", site.why, WITHIN_S)
    assert "137" in site.why() or "SIGKILL" in site.why(), site.why()
    assert site.place() is None, "nothing is there any more"
    site.start()
    site.serves()
    assert site.engines().isdisjoint(before)


def outlives_its_agent(site: Site) -> None:
    """An agent that is killed leaves its engine as it is; the next one finds it where it was."""
    url, before = site.serves(), site.engines()
    site.lose_hand()
    assert site.engines() == before
    site.start()
    assert site.serves() == url
    assert site.engines() == before


def is_replaced_by_another_digest(site: Site) -> None:
    """What was left by an agent and is no longer what is wanted makes way."""
    site.serves()
    before = site.engines()
    site.lose_hand()
    site.start(context_tokens=768)
    site.serves()
    assert len(site.engines()) == 1
    assert site.engines().isdisjoint(before)
    stops_without_a_trace(site)


def tells_that_there_is_no_room(site: Site) -> None:
    """An engine that no node takes says so, and can be stopped."""
    if site.unit() is not None:
        site.stop()
    before = len(site.log())
    site.start(**(site.no_room or {}))
    wait_for("it is told", lambda: "no node" in site.log()[before:] or "no host" in site.log()[before:], WITHIN_S)
    assert site.unit() is not None
    assert site.engines() == frozenset()
    site.stop()


def stops_without_a_trace(site: Site) -> None:
    """A unit that is stopped leaves no engine and no place."""
    site.serves()
    site.stop()
    assert site.engines() == frozenset()
    assert site.place() is None


def leaves_a_namesake_alone(site: Site) -> None:
    """Engines of another service of the same name are nobody's business."""
    url, before = site.serves(), site.engines()
    other = site.namesake()
    try:
        assert other.serves() != url
        other.stop()
    finally:
        other.clear()
    assert site.engines() == before
    assert site.serves() == url


def is_found_without_its_book(site: Site) -> None:
    """Where the state directory is gone, its engine is found by the service's name: adopted where it is, or ended."""
    url, before = site.serves(), site.engines()
    site.lose_hand()
    site.lose_book()
    (found,) = site.unclaimed()
    assert found["unit"] == _UNIT
    site.unclaimed("--adopt", found["owner"])
    site.start()
    assert site.serves() == url
    assert site.engines() == before
    assert site.unclaimed() == [], "it is ours"
    site.lose_hand()
    site.lose_book()
    site.unclaimed("--end", found["owner"], "--yes")
    wait_for("it has ended", lambda: site.engines() == frozenset(), WITHIN_S)
    assert site.unclaimed() == []
    site.state.prepare()


ANYWHERE: tuple[Callable[[Site], None], ...] = (
    answers_where_it_says,
    tells_its_log,
    tells_its_end,
    stops_without_a_trace,
)
"""Claims of every kind."""
ELSEWHERE: tuple[Callable[[Site], None], ...] = (
    outlives_its_agent,
    is_replaced_by_another_digest,
    tells_that_there_is_no_room,
    leaves_a_namesake_alone,
    is_found_without_its_book,
)
"""Claims of the kinds whose engines are not processes of this machine's own holders."""


async def _call(desired: Desired) -> None:
    assert desired.prepare is not None
    await desired.prepare()
