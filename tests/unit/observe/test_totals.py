"""Sums over workers survive the workers."""

import subprocess
import sys

import pytest

from forebay.observe import catalogue
from forebay.observe.page import CounterPage
from forebay.observe.totals import CounterFolder

DEAD = 4_194_300  # above the kernel's largest pid


def refusals(folder):
    return {each.labels[0]: each.values[0] for each in folder.totals() if each.metric is catalogue.REFUSALS}


def write(path, count, gauge=0.0):
    page = CounterPage(path)
    page.values[page.index(catalogue.REFUSALS, "not_found")] = count
    page.values[page.index(catalogue.IN_FLIGHT)] = gauge
    page.close()


@pytest.fixture
def living_worker():
    """A process that looks like a worker."""
    code = "import sys; sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, "forebay.gateway.worker"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_living_and_dead_workers_are_summed(tmp_path, living_worker):
    write(tmp_path / f"worker-1.{living_worker.pid}.page", 2, gauge=3)
    write(tmp_path / f"worker-2.{DEAD}.page", 5, gauge=7)
    folder = CounterFolder(tmp_path)

    assert refusals(folder) == {"not_found": 7}
    assert [each.values for each in folder.totals() if each.metric is catalogue.IN_FLIGHT] == [(3.0,)]


def test_folding_changes_no_sum_and_removes_the_page(tmp_path):
    write(tmp_path / f"worker-1.{DEAD}.page", 5)
    folder = CounterFolder(tmp_path)

    assert folder.fold() == 1
    assert refusals(folder) == {"not_found": 5}
    assert list(tmp_path.glob("*.page")) == []


def test_dead_workers_accumulate(tmp_path):
    folder = CounterFolder(tmp_path)
    for number in range(3):
        write(tmp_path / f"worker-1.{DEAD + number}.page", 5)
        folder.fold()
    assert refusals(folder) == {"not_found": 15}


def test_a_crash_between_folding_and_deleting_counts_nothing_twice(tmp_path):
    page = tmp_path / f"worker-1.{DEAD}.page"
    write(page, 5)
    content = page.read_bytes()
    CounterFolder(tmp_path).fold()
    page.write_bytes(content)  # as if the deletion had not happened

    after_crash = CounterFolder(tmp_path)

    assert refusals(after_crash) == {"not_found": 5}
    assert after_crash.fold() == 0
    assert not page.exists()


def test_another_process_with_the_pid_of_a_worker_is_no_worker(tmp_path):
    sleeper = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        write(tmp_path / f"worker-1.{sleeper.pid}.page", 5)
        assert CounterFolder(tmp_path).fold() == 1
    finally:
        sleeper.kill()
        sleeper.communicate()
