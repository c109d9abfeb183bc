"""Two machines with an edge and a gateway each: the address leaves the one that fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from tests import programs
from tests.integration.failover.pair import ADDRESS, PER_MINUTE, Client, Pair, pair

from forebay.testing.worker import wait_for

_NEEDED = ("ip", "nsenter", "unshare", "curl")
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, _NEEDED)), reason="machines of namespaces need root and iproute2"
    ),
    pytest.mark.skipif(not programs.wanted() or programs.found("keepalived") is None, reason="there is no keepalived"),
]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("pair")) as made:
        yield made


def test_both_gateways_count_one_limit_together(two: Pair) -> None:
    for site in two.sites:
        wait_for("its gateway counts with the other one", site.counts_with_the_other)
    here = [
        Client(two.shared, "patient", site.machine.address, two, f"small-{number}", two.small_key)
        for number, site in enumerate(two.sites)
    ]
    wait_for("both have refused", lambda: all(any(s == 429 for *_t, s in client.answers()) for client in here))
    for client in here:
        client.end()
    statuses = [status for client in here for *_times, status in client.answers()]
    assert statuses.count(200) == PER_MINUTE
    assert set(statuses) == {200, 429}


def test_an_edge_that_dies_gives_its_address_away_and_streams_of_the_other_go_on(two: Pair) -> None:
    first, second = two.sites
    stream = Client(two.shared, "stream", second.machine.address, two, "stream-of-the-other")
    stream.goes_on()
    first.kill_edge()
    two.moved_to(second)
    assert not first.has_address()
    calls = Client(two.shared, "calls", ADDRESS, two, "calls-after-the-edge")
    wait_for("calls are answered", lambda: any(status == 200 for *_times, status in calls.answers()))
    stream.goes_on()
    calls.end()


def test_the_address_stays_when_the_first_one_is_back_and_leaves_a_machine_that_is_lost(two: Pair) -> None:
    first, second = two.sites
    if first.has_address():  # where this test runs alone
        first.kill_edge()
        two.moved_to(second)
    stream = Client(two.shared, "stream", ADDRESS, two, "stream-over-the-address")
    stream.goes_on()
    first.service.run("up", "--detach")
    wait_for("the first one's edge is found well", lambda: "succeeded" in after_failed(first.folder / "keepalived.log"))
    stream.goes_on()
    assert second.has_address()
    assert not first.has_address()
    second.pull_the_plug()
    two.moved_to(first)
    calls = Client(two.shared, "calls", ADDRESS, two, "calls-after-the-machine")
    wait_for("calls are answered", lambda: any(status == 200 for *_times, status in calls.answers()))


def after_failed(log: os.PathLike[str]) -> str:
    """What keepalived said since it found its edge dead."""
    with open(log) as file:  # noqa: PTH123  any path's
        return file.read().rpartition("failed")[2]
