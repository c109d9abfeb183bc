"""One process of the generator: `python -m forebay.tune.load.worker`, told what to do over its standard input."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from math import nan
from typing import BinaryIO

from forebay.core.errors import ForebayError
from forebay.tune.load import frames
from forebay.tune.load.exchange import Exchange
from forebay.tune.load.player import Player
from forebay.tune.load.prompts import Writer
from forebay.tune.report.histogram import bucket

_PROGRESS_S = 0.5


def main() -> None:
    """Play one job; ends at once when whoever started it is gone."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may write into the frames
    inbox: queue.SimpleQueue[frames.Frame] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, inbox), daemon=True).start()
    job = inbox.get()
    if not isinstance(job, frames.Job):
        raise TypeError("the first frame is no job")
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            start, player, played = runner.run(_play(job, inbox, pipe))
    except ForebayError as error:
        frames.write(pipe, frames.Broken(error.what, error.where, error.fix))
        return
    frames.write(pipe, played)
    window = inbox.get()
    if isinstance(window, frames.Window):
        frames.write(pipe, _within(window, player.ended, start))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  the generator runs without it too, at twice the cost
    except ImportError:
        return None
    return uvloop.new_event_loop


def _listen(pipe: BinaryIO, inbox: queue.SimpleQueue[frames.Frame]) -> None:
    while (frame := frames.read(pipe)) is not None:
        inbox.put(frame)
    os._exit(0)


async def _play(
    job: frames.Job, inbox: queue.SimpleQueue[frames.Frame], pipe: BinaryIO
) -> tuple[float, Player, frames.Played]:
    load = job.workload
    writer = Writer(job.vocabulary, load.seed, load.shared_prefix_share, load.shared_prefixes)
    player = Player(job.target, job.workload, writer, (job.share, job.shares))
    frames.write(pipe, frames.Ready())
    begin = inbox.get()
    if not isinstance(begin, frames.Begin):
        raise TypeError("the second frame does not begin")
    gc.collect()
    gc.freeze()
    gc.disable()  # a collection amid a run is a lag; what a run holds is let go when the process ends
    telling = asyncio.ensure_future(_tell(player, pipe))
    cpu_s = time.process_time()

    async def others() -> None:
        frames.write(pipe, frames.Counted())
        if not isinstance(await asyncio.to_thread(inbox.get), frames.Enough):
            raise TypeError("the third frame of a load that is held does not end it")

    try:
        await player.play(begin.at, others)
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling
    cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - begin.at
    return begin.at, player, _columns(player, begin.at, cpu_s, wall_s)


async def _tell(player: Player, pipe: BinaryIO) -> None:
    counted = failed = tokens = 0
    while True:
        await asyncio.sleep(_PROGRESS_S)
        for exchange in player.ended[counted:]:
            failed += bool(exchange.reason)
            tokens += max(exchange.told_tokens, 0)
        counted = len(player.ended)
        frames.write(pipe, frames.Progress(player.sent, counted, failed, tokens))


def _columns(player: Player, start: float, cpu_s: float, wall_s: float) -> frames.Played:
    done = player.ended
    return frames.Played(
        number=[each.number for each in done],
        intended_s=[each.intended - start for each in done],
        sent_s=[(each.sent or each.ended) - start for each in done],
        first_s=[each.times[0] - start if each.times else nan for each in done],
        last_s=[max(each.last, each.times[-1]) - start if each.times else nan for each in done],
        ended_s=[each.ended - start for each in done],
        planned_input=[each.planned_input for each in done],
        planned_output=[each.planned_output for each in done],
        input_tokens=[each.input_tokens for each in done],
        told=[each.told_tokens for each in done],
        tokens=[each.tokens for each in done],
        disputed=[each.disputed for each in done],
        events=[len(each.times) for each in done],
        reason=[each.reason for each in done],
        rejected=[each.rejected for each in done],
        lags_s=list(player.lags_s),
        beats_s=list(player.beats_s),
        cpu_s=cpu_s,
        wall_s=wall_s,
        out_of_sockets=player.out_of_sockets,
        behind_s=player.behind_s,
    )


def _within(window: frames.Window, done: list[Exchange], start: float) -> frames.Within:
    gaps: dict[int, int] = {}
    inside = 0.0
    by_slice: dict[int, float] = {}
    for exchange in done:
        if exchange.reason:
            continue
        # A whole answer shows no events: all of its tokens come with its end.
        times = exchange.times or [exchange.ended]
        weight = exchange.tokens / len(times)
        for at in times:
            place = int((at - start) / window.slice_s)
            by_slice[place] = by_slice.get(place, 0.0) + weight
            if window.begin_s <= at - start < window.end_s:
                inside += weight
        if window.begin_s <= exchange.intended - start < window.end_s:
            for before, at in pairwise(times):
                index = bucket(round((at - before) * 1e6))
                gaps[index] = gaps.get(index, 0) + 1
    return frames.Within(gaps, inside, [by_slice.get(place, 0.0) for place in range(max(by_slice, default=-1) + 1)])


if __name__ == "__main__":
    main()
