"""What was spent is written once more as the worker stops."""

from __future__ import annotations

import time
from pathlib import Path

from forebay.gateway.limits.gauges import day_of
from forebay.gateway.limits.limiter import Limiter
from forebay.gateway.limits.policy import LimitsPolicy
from forebay.gateway.meter import Meter
from forebay.observe.page import CounterPage


def test_a_worker_whose_disk_is_gone_says_so_and_stops_all_the_same(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "spent").touch()  # no folder: nothing can be written there
    record = tmp_path / "spent" / "worker-1.json"
    meter = Meter(CounterPage(tmp_path / "worker-1.page"))
    limiter = Limiter(LimitsPolicy(), "worker-1", record, meter, lambda _level, text, **_more: said.append(text))
    limiter.book.restore({"key:a:usd_per_day": {day_of(time.time()): 5}})
    assert limiter.book.spent()
    limiter.close()
    assert said == ["what was spent cannot be recorded"]
