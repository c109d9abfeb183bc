"""Several workers may be the first to claim a key: each finds the file, whoever made it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from forebay.gateway.idempotency.local import Table
from forebay.gateway.idempotency.policy import IdempotencyPolicy

WORKERS = 6
POLICY = IdempotencyPolicy(keep_s=60.0, answer_bytes=1000, memory_bytes=1000, keys=10)


def test_workers_that_are_first_at_once_all_open_the_file(tmp_path: Path) -> None:
    for number in range(10):
        together = threading.Barrier(WORKERS)

        def opened(path: Path, together: threading.Barrier = together) -> None:
            together.wait(30)
            Table(path, POLICY).close()

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(opened, [tmp_path / f"claims-{number}.db"] * WORKERS))
