"""`python -m forebay.ops.watch.main`: reads access logs, tells anomalies, and suspends keys where that is wanted."""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import signal
import sys
import time
from pathlib import Path

import msgspec

from forebay.config.schema.store import Store
from forebay.core.files import write_atomically
from forebay.core.unix_sockets import listening
from forebay.observe import catalogue
from forebay.observe.anomaly.places import BadMap, Places
from forebay.observe.anomaly.seen import read_line
from forebay.observe.anomaly.usual import Usual
from forebay.observe.anomaly.watcher import Anomaly, Watcher, detectors
from forebay.observe.log import JsonLog
from forebay.observe.page import CounterPage
from forebay.ops.watch.suspending import Suspender
from forebay.ops.watch.tail import Tail
from forebay.store.state_dir import StateDir

_TURN_S = 1.0
_KEEP_S = 60.0
_MOST_TOLD = 500


class Kept(msgspec.Struct):
    """What survives a restart: habits by caller, and the newest anomalies."""

    habits: dict[str, Usual] = {}
    anomalies: list[Anomaly] = []


class Watch:
    """Follows the logs of all workers. Habits are kept once a minute: a crash costs that much of them."""

    def __init__(
        self,
        state: StateDir,
        learn_minutes: int,
        suspender: Suspender,
        log: JsonLog,
        forget_s: float = 0.0,
        places: Places | None = None,
    ) -> None:
        self._state, self._suspender, self._log, self._forget_s = state, suspender, log, forget_s
        self._places = places
        kept = _kept(state.watch)
        self._watcher = Watcher(learn_minutes, kept.habits)
        self._anomalies = kept.anomalies
        self._tails: dict[Path, Tail] = {}
        self._page = CounterPage(state.counters / f"watch.{os.getpid()}.page")
        for kind in detectors:  # a counter that begins at one has not risen, says Prometheus
            self._page.index(catalogue.ANOMALIES, kind)
        self._kept_s = 0.0
        self._first = True

    def turn(self, now_s: float) -> None:
        """Read what was written, judge the minutes that are over, tell and act."""
        for path in self._state.logs.glob("worker-*.log"):
            if path not in self._tails:
                self._tails[path] = Tail(path, from_start=not self._first)
        self._first = False
        for tail in self._tails.values():
            for line in tail.lines():
                call = read_line(line, self._places)
                if call is not None:
                    self._watcher.see(call)
        found = list(self._watcher.judge(now_s))
        for anomaly in found:
            self._tell(anomaly, now_s)
        self._suspender.turn(now_s)
        if found or now_s - self._kept_s >= _KEEP_S:
            self.keep(now_s)

    def keep(self, now_s: float) -> None:
        """Write down what a restart must not forget."""
        self._kept_s = now_s
        if self._forget_s:
            self._forget(now_s - self._forget_s)
        kept = Kept(self._watcher.habits, self._anomalies)
        with contextlib.suppress(OSError):  # the next minute tries again
            write_atomically(self._state.watch, msgspec.json.encode(kept))

    def _forget(self, before_s: float) -> None:
        """Habits of callers who have not come since, and what was told before."""
        habits = self._watcher.habits
        for caller in [caller for caller, usual in habits.items() if usual.last_s < before_s]:
            del habits[caller]
        self._anomalies = [each for each in self._anomalies if each.at_s >= before_s]

    def _tell(self, anomaly: Anomaly, now_s: float) -> None:
        self._anomalies = [*self._anomalies, anomaly][-_MOST_TOLD:]
        self._page.values[self._page.index(catalogue.ANOMALIES, anomaly.kind)] += 1
        self._log.write("warning", "anomaly", now_s, **msgspec.structs.asdict(anomaly))
        self._suspender.hear(anomaly)


def main() -> None:
    """Runs until it is told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--learn-minutes", type=int, required=True)
    parser.add_argument("--suspend", action="append", default=[])
    parser.add_argument("--store", type=Store.model_validate_json, default=Store())
    parser.add_argument("--places", type=Path)
    parser.add_argument("--forget-after", type=float, default=0.0, metavar="SECONDS")
    given = parser.parse_args()
    log = JsonLog(given.service)
    state = StateDir(given.state)
    suspender = Suspender(state, given.store, given.suspend, log)
    places = _places(given.places, log)
    watch = Watch(state, given.learn_minutes, suspender, log, given.forget_after, places)
    stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda signum, _frame: stop.append(signum))
    door = listening(state.watch_socket)  # whoever can connect knows that we work
    with selectors.DefaultSelector() as selector:
        selector.register(door, selectors.EVENT_READ)
        while not stop:
            if selector.select(_TURN_S):
                with contextlib.suppress(OSError):
                    door.accept()[0].close()
            watch.turn(time.time())
            log.flush()
    watch.keep(time.time())
    log.flush()


def _places(path: Path | None, log: JsonLog) -> Places | None:
    """The operator's map; without it all else is watched."""
    if path is None:
        return None
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return Places(lines)
    except (OSError, UnicodeDecodeError, BadMap) as error:
        log.write("error", f"{path} is no map of places, so nobody's place is watched: {error}", time.time())
        return None


def read_anomalies(state: StateDir) -> tuple[Anomaly, ...]:
    """The newest anomalies that were told, oldest first."""
    return tuple(_kept(state.watch).anomalies)


def read_habits(state: StateDir, key_id: str) -> Usual | None:
    """What a key usually does, as it was kept last."""
    return _kept(state.watch).habits.get(key_id)


def _kept(path: Path) -> Kept:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return Kept()
    except msgspec.DecodeError:
        sys.stderr.write(f"{path} is damaged: habits are learned anew\n")
        return Kept()


if __name__ == "__main__":
    main()
