"""`python -m forebay.controller.main --config FILE --state DIR [--env NAME] [--unit NAME]`: the controller's process.

Several may run: one leads, the others stand by. SIGHUP reads again what is to run. SIGTERM leaves everything running:
the units are stopped by `forebay down`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

import uvloop

from forebay.controller.journal import Journal
from forebay.controller.lease.candidate import Candidate
from forebay.controller.loop import Controller
from forebay.controller.losses import refuse_lost_keys, restore_running
from forebay.controller.unclaimed import refuse_second_fleet
from forebay.controller.wanted import Arguments, config_of
from forebay.core.errors import ForebayError
from forebay.observe.log import JsonLog
from forebay.store.state_dir import StateDir
from forebay.substrate.base import CONTROLLER


def main(argv: list[str]) -> int:
    """Run until SIGTERM; status 1 and a log line where it cannot start."""
    arguments, unit = _arguments(argv)
    arguments.state.prepare()
    try:
        return uvloop.run(_run(arguments, unit))
    except ForebayError as error:
        log = JsonLog("forebay")
        log.write("error", str(error), time.time(), detail=error.detail)
        log.flush()
        return 1


async def _run(arguments: Arguments, unit: str) -> int:
    loop = asyncio.get_running_loop()
    # A reload that is asked for while we start is a reload: the handler must stand before anything takes time.
    early: list[int] = []
    loop.add_signal_handler(signal.SIGHUP, early.append, signal.SIGHUP)
    restore_running(arguments.state, arguments.config, Journal("forebay", "info"))
    config = config_of(arguments)
    refuse_lost_keys(arguments.state, shared=config.store.postgres is not None)
    await asyncio.to_thread(refuse_second_fleet, config, arguments.state)
    base = arguments.config.resolve().parent
    candidate = Candidate(config, arguments.state, base, unit, lambda fence, peers: Controller(arguments, fence, peers))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, candidate.ask_stop)
    loop.add_signal_handler(signal.SIGHUP, candidate.ask_reload)
    try:
        fence = await candidate.lead(Journal(config.service, config.observe.log.level))
        if fence is None:
            return 0
        loop.add_signal_handler(signal.SIGHUP, early.append, signal.SIGHUP)  # whatever was asked before is read now
        controller = Controller(arguments, fence, candidate.peers)
        loop.add_signal_handler(signal.SIGHUP, controller.ask_reload)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, controller.ask_stop)
        if candidate.leaves:
            controller.ask_stop()
        if early:
            controller.ask_reload()
        await controller.run()
    finally:
        candidate.release()
    return 0


def _arguments(argv: list[str]) -> tuple[Arguments, str]:
    parser = argparse.ArgumentParser(prog="forebay.controller.main", allow_abbrev=False)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--env")
    parser.add_argument("--unit", default=CONTROLLER)
    given = parser.parse_args(argv)
    return Arguments(given.config, given.env, StateDir(given.state)), given.unit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
