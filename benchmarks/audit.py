"""What the audit log adds to a call: both its barriers, at calls that arrive at random. `python -m benchmarks.audit`.

A real writer on a real disk, and a worker's own link to it; between the barriers lies no engine. Calls arrive whether
the ones before have ended or not, so that a slow flush is counted for every call that waits for it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import uvloop

from forebay.audit.record import INTENT, OUTCOME, Entry
from forebay.gateway.auditing.link import AuditLink

_FACTS = {
    "tenant": "acme",
    "key": "k7qnx2c4hj",
    "endpoint": "/v1/chat/completions",
    "model": "qwen3-vl-235b",
    "policy": "4cda53f8ef20a09f",
    "request_id": "171c08d4f3e92324258be5f82816c8ce",
    "verdict": "admitted",
}
_BUDGET_MS = 4.0


async def measure(socket: Path, rate: float, seconds: float, people: int) -> list[float]:
    """Milliseconds that both barriers of each call took together."""
    link = AuditLink(socket, lambda _result, _count: None)
    took: list[float] = []
    link.sweep(time.monotonic())
    while not link.connected:
        await asyncio.sleep(0.01)
        link.sweep(time.monotonic())

    async def call(number: int) -> None:
        spent = 0.0
        for kind in (INTENT, OUTCOME):
            heard = asyncio.get_running_loop().create_future()
            began = time.perf_counter()
            at_us = time.time_ns() // 1000
            entry = Entry(kind, f"b-{number:x}", at_us, _FACTS, f"person-{number % people}", "192.0.2.7")
            link.post(entry, float("inf"), heard.set_result)
            word = await heard
            if word:
                raise SystemExit(f"not recorded: {word}")
            spent += time.perf_counter() - began
        took.append(spent * 1000)

    dice, running = random.Random(1), set()  # noqa: S311  the same arrivals every time
    due = time.perf_counter()
    for number in range(int(rate * seconds)):
        due += dice.expovariate(rate)
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        task = asyncio.create_task(call(number))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    link.close()
    return took


def main() -> int:
    """Exit 1 where the P99 is over budget and `--check` asks for that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--people", type=int, default=500, help="subjects, each with a key of its own")
    parser.add_argument("--folder", type=Path, help="where the log is written: the disk that is measured")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder or Path.cwd()) as name:
        folder = Path(name)
        socket = folder / "audit.sock"
        command = [sys.executable, "-m", "forebay.audit.writer", "--folder", str(folder), "--socket", str(socket)]
        writer = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not socket.exists():
                time.sleep(0.05)
            uvloop.run(measure(socket, 200, 2, options.people))
            cpu = psutil.Process(writer.pid)
            before, own = sum(cpu.cpu_times()[:2]), time.process_time()
            took = sorted(uvloop.run(measure(socket, options.rate, options.seconds, options.people)))
            writer_us = (sum(cpu.cpu_times()[:2]) - before) / len(took) * 1e6
            own_us = (time.process_time() - own) / len(took) * 1e6
        finally:
            writer.terminate()
            writer.wait(30)
    p50, p99, p999 = (took[int(len(took) * share)] for share in (0.5, 0.99, 0.999))
    print(f"{len(took)} calls at {options.rate:g} a second, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # noqa: T201
    print(f"both barriers: P50 {p50:.2f} ms, P99 {p99:.2f} ms, P99.9 {p999:.2f} ms (budget: P99 {_BUDGET_MS:g} ms)")  # noqa: T201
    print(f"CPU a call: writer {writer_us:.0f} µs, this generator with the worker's link {own_us:.0f} µs")  # noqa: T201
    return int(options.check and p99 > _BUDGET_MS)


if __name__ == "__main__":
    sys.exit(main())
