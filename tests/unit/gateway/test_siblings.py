"""What other workers hold counts, as long as they live."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from forebay.gateway.ejection import Ejection
from forebay.gateway.fleet import EngineSlot
from forebay.gateway.siblings import Siblings
from forebay.gateway.snapshot import EngineRef
from forebay.observe.catalogue import ENGINE_OUTSTANDING
from forebay.observe.page import CounterPage


def page_of(folder: Path, worker: str, pid: int, **outstanding: int) -> CounterPage:
    page = CounterPage(folder / f"{worker}.{pid}.page")
    for engine, count in outstanding.items():
        page.values[page.index(ENGINE_OUTSTANDING, engine)] = count
    return page


def test_living_workers_are_summed_and_oneself_is_not(tmp_path: Path, other_pid: int) -> None:
    page_of(tmp_path, "own", os.getpid(), e1=5)
    page_of(tmp_path, "w2", other_pid, e1=2, e2=1)
    page_of(tmp_path, "w.3", other_pid, e1=3)
    siblings = Siblings(tmp_path, os.getpid())
    siblings.refresh()
    assert [siblings.outstanding(engine) for engine in ("e1", "e2", "e3")] == [5, 1, 0]


def test_counts_are_live_between_two_looks(tmp_path: Path, other_pid: int) -> None:
    page = page_of(tmp_path, "w2", other_pid, e1=2)
    siblings = Siblings(tmp_path, os.getpid())
    siblings.refresh()
    page.values[page.index(ENGINE_OUTSTANDING, "e1")] += 1
    assert siblings.outstanding("e1") == 3


def test_what_was_lately_is_forgotten_within_a_millisecond_and_with_every_look(tmp_path: Path, other_pid: int) -> None:
    page = page_of(tmp_path, "w2", other_pid, e1=2)
    siblings = Siblings(tmp_path, os.getpid())
    siblings.refresh()
    assert siblings.outstanding_lately("e1", 10.0) == 2
    page.values[page.index(ENGINE_OUTSTANDING, "e1")] = 5
    assert siblings.outstanding_lately("e1", 10.0009) == 2
    assert siblings.outstanding_lately("e1", 10.0011) == 5
    assert siblings.outstanding_lately("unknown", 10.0011) == 0
    page.values[page.index(ENGINE_OUTSTANDING, "e1")] = 6
    siblings.refresh()
    assert siblings.outstanding_lately("e1", 10.0012) == 6


def test_near_its_bound_an_engine_is_looked_at_and_not_remembered(tmp_path: Path, other_pid: int) -> None:
    theirs = page_of(tmp_path, "w2", other_pid, e1=90)
    siblings = Siblings(tmp_path, os.getpid())
    siblings.refresh()
    page = CounterPage(tmp_path / "own.page")
    ref = EngineRef(name="e1", model="m", host="h", port=1, kind="external", max_outstanding=100, routable=True)
    slot = EngineSlot(ref, page, siblings, Ejection(page), lambda: 0.0)
    assert slot.has_place(0.0)
    theirs.values[theirs.index(ENGINE_OUTSTANDING, "e1")] = 100
    assert not slot.has_place(0.0)


def test_a_new_series_is_seen_at_the_next_look(tmp_path: Path, other_pid: int) -> None:
    page = page_of(tmp_path, "w2", other_pid)
    siblings = Siblings(tmp_path, os.getpid())
    siblings.refresh()
    page.values[page.index(ENGINE_OUTSTANDING, "e1")] = 4
    siblings.refresh()
    assert siblings.outstanding("e1") == 4


def test_a_dead_worker_holds_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    page_of(tmp_path, "w2", process.pid, e1=2)
    siblings = Siblings(tmp_path, os.getpid())
    siblings.refresh()
    assert siblings.outstanding("e1") == 2
    process.communicate(b"\n")
    siblings.refresh()
    assert siblings.outstanding("e1") == 0


def test_a_page_that_is_deleted_or_no_page_is_no_error(tmp_path: Path, other_pid: int) -> None:
    page_of(tmp_path, "w2", other_pid, e1=2)
    siblings = Siblings(tmp_path, os.getpid())
    siblings.refresh()
    (tmp_path / f"w2.{other_pid}.page").unlink()
    (tmp_path / f"w3.{other_pid}.page").write_bytes(b"")
    (tmp_path / f"w4.{other_pid}.page").write_bytes(b"x" * 4096)
    (tmp_path / "w5.notapid.page").write_bytes(b"")
    (tmp_path / "folded.json").write_bytes(b"{}")
    siblings.refresh()
    assert siblings.outstanding("e1") == 0
