"""A trial keeps to its budget, whatever the engine does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.integration.tune.engines import Known
from tests.unit.tune.ladder.simulated import space

from forebay.testing.fake_engine import Exchange, FakeEngine
from forebay.tune.engine import Running, Starter
from forebay.tune.live import Conduct, Live
from forebay.tune.objective import objective
from forebay.tune.source import Ask
from forebay.tune.trial import Trial

BUDGET_S = 5.0
LONG_PAST_S = 60.0
"""What nobody may wait for; without a bound a load waits ten minutes for an answer, and a question for five."""


class There(Starter):
    """An engine that runs already."""

    port = 0

    def start(self, _setting: object, _name: str, _within_s: float, _until_s: float) -> Running:
        return Running(urls=(f"http://127.0.0.1:{self.port}",), facts={}, start_s=0.0, pids=(), specs=())


class Stalls:
    """Streams, or whole answers, that never begin; from the `after`-th on."""

    def __init__(self, *, streams: bool, after: int = 0) -> None:
        self.known, self._streams, self._left = Known(), streams, after

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.head.startswith(b"GET"):
            await exchange.answer(b"", content_type="text/plain")
            return
        if bool(exchange.fields.get("stream")) == self._streams:
            self._left -= 1
            if self._left < 0:
                await exchange.until_client_leaves()
                return
        await self.known(exchange)


def trial(folder: Path, engine: FakeEngine, *, questions: bool = False) -> Trial:
    where = space(folder)
    starter = There(where, folder / "state", folder / "cache")
    starter.port = engine.port
    live = Live(where, objective("batch"), starter, Conduct(window_s=0.5, most_rungs=2, ask_quality=questions))
    until_s = time.monotonic() + BUDGET_S
    ask = Ask(id=1, setting=where.baseline(), repeat=0, label="x", begin=4, until_s=until_s)
    made = live.run(ask)
    assert time.monotonic() < until_s + LONG_PAST_S
    return made


@pytest.mark.parametrize("questions", [False, True])
def test_an_engine_that_stands_still_does_not_hold_the_ladder_past_its_budget(tmp_path: Path, questions: bool) -> None:
    with FakeEngine(Stalls(streams=not questions)) as engine:
        made = trial(tmp_path, engine, questions=questions)
    assert made.outcome == "out of time", "what had so little time is tried again, not counted as a failure"
    assert made.failure is None
    assert made.rungs == ()


def test_answers_that_the_budget_cut_short_do_not_count_against_the_setting(tmp_path: Path) -> None:
    with FakeEngine(Stalls(streams=True, after=6)) as engine:
        made = trial(tmp_path, engine)
    assert made.outcome == "out of time"
    assert made.rungs == ()
