"""Workers that read one another's pages spend one budget between them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebay.gateway.budget import RetryBudget
from forebay.gateway.siblings import Siblings
from forebay.observe.page import CounterPage


def budgets(folder: Path, other_pid: int, ratio: float, capacity: float) -> list[RetryBudget]:
    """Two workers' budgets over two pages, each of which has seen the other."""
    pids = (os.getpid(), other_pid)
    paths = [folder / f"w{number}.{pid}.page" for number, pid in enumerate(pids)]
    for path in paths:
        path.unlink(missing_ok=True)
    pages = [CounterPage(path) for path in paths]
    siblings = [Siblings(folder, pid) for pid in pids]
    found = [RetryBudget(ratio, capacity, page, each) for page, each in zip(pages, siblings, strict=True)]
    for each in siblings:
        each.refresh()
    return found


def test_what_one_spends_the_other_has_not(tmp_path: Path, other_pid: int) -> None:
    one, other = budgets(tmp_path, other_pid, 0.0, 4)
    assert [one.spend(), other.spend(), one.spend(), one.spend()] == [True] * 4
    assert (one.spend(), other.spend()) == (False, False)


def test_what_one_earns_the_other_may_spend(tmp_path: Path, other_pid: int) -> None:
    one, other = budgets(tmp_path, other_pid, 0.5, 1)
    assert one.spend()
    other.catch_up()  # as the sweep does; without it the other reckons more carefully than it must
    one.earn()
    one.earn()
    assert other.spend()
    assert not one.spend()


@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["call", "retry", "look"])), max_size=120),
    st.floats(0, 1),
    st.integers(1, 8),
)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_together_never_more_than_capacity_and_share(
    tmp_path: Path, other_pid: int, steps: list[tuple[int, str]], ratio: float, capacity: int
) -> None:
    both, calls, spent = budgets(tmp_path, other_pid, ratio, capacity), 0, 0
    for worker, what in steps:
        if what == "call":
            both[worker].earn()
            calls += 1
        elif what == "retry":
            spent += both[worker].spend()
        else:
            both[worker].catch_up()
        assert spent <= capacity + ratio * calls + 1e-6


def test_a_worker_that_ends_gives_nothing_back(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    one, other = budgets(tmp_path, process.pid, 0.0, 3)
    assert [other.spend() for _ in range(2)] == [True, True]
    one.catch_up()
    process.communicate(b"\n")
    one._siblings.refresh()  # type: ignore[union-attr]
    assert [one.spend() for _ in range(2)] == [True, False]
