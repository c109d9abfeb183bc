"""One process's share of a load: what counts, what only holds the load up, and what is kept of either."""

import asyncio
import socket
import time

from tests.integration.tune.engines import Known

from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import free_port
from forebay.tune.load.player import Player
from forebay.tune.load.prompts import Vocabulary, Writer
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Arrivals, Lengths, Workload

WORDS = Vocabulary(words=("a", "b", "c", "d"), tokens_per_word=1.0, overhead_tokens=0.0, exact=True, how="usage")
SESSIONS = {"turns": 3, "input_tokens": Lengths(tokens=8), "output_tokens": Lengths(tokens=4)}


async def nobody_else():
    return


def play(port, load, others=nobody_else):
    """The player, and when it began."""

    async def run():
        player = Player(Target(url=f"http://127.0.0.1:{port}", model="m"), load, Writer(WORDS, 1), (0, 1))
        start = time.monotonic()
        await asyncio.wait_for(player.play(start, others), 60)
        return player, start

    return asyncio.run(run())


def test_sessions_go_on_in_a_load_that_is_held_up_and_none_of_their_late_turns_counts():
    known = Known(first_s=0.01)

    def follows():
        return sum(" hi " in body["prompt"] for body in known.bodies)

    async def others():
        before, deadline = follows(), time.monotonic() + 30
        while follows() < before + 12:
            assert time.monotonic() < deadline, "only first turns are asked now, which are shorter than the others"
            await asyncio.sleep(0.02)

    hold = Arrivals(shape="closed", concurrency=2, hold=True)
    with FakeEngine(known) as engine:
        player, start = play(engine.port, Workload(arrivals=hold, duration_s=0.5, **SESSIONS), others)
    assert max(each.intended for each in player.ended) < start + 0.5
    assert player.sent == len(player.ended) == len(player.lags_s)


def test_what_was_said_is_kept_only_while_its_session_needs_it():
    with FakeEngine(Known()) as engine:
        load = Workload(arrivals=Arrivals(shape="constant", rate_rps=20.0), requests=4, **SESSIONS)
        player, _start = play(engine.port, load)
    assert len(player.ended) == 12
    assert {each.reason for each in player.ended} == {""}
    assert [each.text for each in player.ended if each.text] == []


def test_a_service_that_takes_no_connection_is_a_timeout():
    """One that stopped accepting: the kernel takes a connection or two for it, and answers no more of them."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        come = Arrivals(shape="constant", rate_rps=100.0)
        load = Workload(arrivals=come, requests=8, timeout_s=1.0)
        player, _start = play(deaf.getsockname()[1], load)
    assert len(player.ended) == 8
    assert {each.reason for each in player.ended} == {"timeout", "not connected: timeout"}
    assert min(each.ended - each.intended for each in player.ended) >= 0.9


def test_an_open_loop_far_beyond_the_machine_is_given_up_soon_and_breathes_until_then():
    """No interpreter sends a million requests a second: an hour of them would take days."""
    come = Arrivals(shape="constant", rate_rps=1_000_000.0)
    player, _start = play(free_port(), Workload(arrivals=come, duration_s=3600.0))
    assert player.behind_s >= 5.0
    assert player.beats_s, "whoever asks how far it is, or tells it to stop, is heard meanwhile"
