"""Claims about reloads that may go unheard, with a real nginx and a real HAProxy."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.edge import fake_gateway, real_edge
from tests.integration.edge.real_edge import DEADLINE_S, Edge, until

from forebay.controller import edge_follower
from forebay.controller.edge_follower import EdgeFollower, told
from forebay.controller.journal import Journal
from forebay.render.generation import SOCKET, generation_in


@pytest.fixture
def own_edge(kind: str, gateway: fake_gateway.FakeGateway, tmp_path: Path) -> Iterator[Edge]:
    with real_edge.edge(tmp_path, kind, [gateway.port]) as running:
        yield running


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_follower, "_FIRST_AGAIN_S", 0.2)
    monkeypatch.setattr(edge_follower, "_LAST_AGAIN_S", 1.0)


class Line:
    """The way of a signal to the edge, which swallows the first ones."""

    def __init__(self, edge: Edge, swallowed: int = 0) -> None:
        self.sent = 0
        self._edge, self._swallowed = edge, swallowed

    def tell(self) -> bool:
        self.sent += 1
        if self.sent > self._swallowed:
            self._edge.program.send_signal(signal.SIGHUP)
        return True


def runs(edge: Edge) -> str:
    """What it says; a busy machine may need to be asked again."""
    said = [""]
    until(lambda: said.append(asyncio.run(told(edge.state.edge / SOCKET))) or said[-1], "the edge tells what it runs")
    return said[-1]


def written(edge: Edge, hsts: str) -> str:
    edge.config = edge.configured(edge={"hsts": hsts})
    assert edge.write()
    return generation_in(edge.conf.read_bytes())


async def followed(edge: Edge, line: Line, *ages: str) -> None:
    """Follow new files, each written as soon as the one before is known to be read."""
    follower = EdgeFollower(edge.state.edge, Journal("test", "error"), line.tell)
    follower.follow(edge.config, changed=False)
    task = asyncio.create_task(follower.run())
    await asked(lambda: bool(follower.runs))
    for age in ages:
        await asyncio.to_thread(written, edge, age)
        follower.follow(edge.config, changed=True)
        await asked(lambda: not follower.pending)
        assert follower.runs == follower.newest
    task.cancel()
    await asyncio.wait([task])


async def asked(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not claim():  # noqa: ASYNC110  the follower has no event for tests
            await asyncio.sleep(0.01)


def test_an_edge_tells_which_file_it_runs_and_goes_on_with_it_until_it_reads_another(own_edge: Edge) -> None:
    before = generation_in(own_edge.conf.read_bytes())
    assert runs(own_edge) == before
    after = written(own_edge, "1d")
    assert runs(own_edge) == before != after
    own_edge.reload()
    until(lambda: runs(own_edge) == after, "it runs the new file")


def test_a_signal_that_went_unheard_is_repeated_until_the_edge_runs_the_newest_file(own_edge: Edge) -> None:
    line = Line(own_edge, swallowed=2)
    asyncio.run(followed(own_edge, line, "1d"))
    assert line.sent >= 3
    assert own_edge.call("GET", "/echo").headers["strict-transport-security"] == "max-age=86400"


def test_reloads_that_follow_one_another_at_once_are_all_taken(own_edge: Edge) -> None:
    # HAProxy's master is deaf while it takes up a new file: most of these begin in that time.
    asyncio.run(followed(own_edge, Line(own_edge), *(f"{days}d" for days in range(1, 6))))
    assert own_edge.call("GET", "/echo").headers["strict-transport-security"] == f"max-age={5 * 86400}"


def test_an_edge_that_runs_the_newest_file_is_told_nothing(own_edge: Edge) -> None:
    line = Line(own_edge)
    asyncio.run(followed(own_edge, line))
    assert line.sent == 0
