"""The admin process: the admin API and the metrics page, each on a port of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from forebay.admin.app import admin_app, metrics_app
from forebay.admin.connection import StrictConnection
from forebay.admin.metrics_page import MetricsPage
from forebay.admin.status import read_status
from forebay.config.schema.store import Store
from forebay.observe.log import JsonLog
from forebay.observe.totals import CounterFolder
from forebay.store.state_dir import StateDir

_SAMPLE_S = 1.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


class _Server(uvicorn.Server):
    """One of two servers in a process: signals belong to `main`, not to either."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(arguments: list[str] | None = None) -> int:
    """Process entry; exit 1 where a port is taken."""
    parser = argparse.ArgumentParser(prog="forebay.admin.main", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--metrics-bind", default="127.0.0.1")
    parser.add_argument("--metrics-port", type=int, required=True)
    parser.add_argument("--store", default="{}")
    options = parser.parse_args(arguments)
    return asyncio.run(_serve(options))


async def _serve(options: argparse.Namespace) -> int:
    state = StateDir(options.state.resolve())
    folder = CounterFolder(state.counters)
    page = MetricsPage(folder, partial(read_status, state.status), time.monotonic, state)
    log = JsonLog("forebay")
    servers = [
        _server(
            admin_app(state, _hosts(options.bind), log, Store.model_validate_json(options.store)),
            options.bind,
            options.port,
        ),
        _server(metrics_app(page, _readers(options.metrics_bind)), options.metrics_bind, options.metrics_port),
    ]
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    log.write("info", "the admin process is starting", time.time(), unit="admin")
    log.flush()
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(server.serve()) for server in servers]
        gathering = tasks.create_task(_gather(page, folder))
        ending = tasks.create_task(stopping.wait())
        await asyncio.wait({*serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        for server in servers:
            server.should_exit = True
        gathering.cancel()
        ending.cancel()
    return 0 if stopping.is_set() else 1


def _hosts(bind: str) -> list[str]:
    """The names that a server answers to: who listens everywhere cannot know what it is called."""
    return [*_LOOPBACK, bind] if bind not in {"0.0.0.0", "::"} else ["*"]  # noqa: S104  compared


def _readers(bind: str) -> list[str]:
    """Prometheus elsewhere has its own names for this machine; loopback is what pages in browsers here could reach."""
    return _hosts(bind) if bind in _LOOPBACK else ["*"]


def _server(app: Starlette, host: str, port: int) -> _Server:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        lifespan="off",
        http=StrictConnection,
        ws="none",
        proxy_headers=False,  # who asks is who connects: a header about earlier hops is anybody's to write
    )
    return _Server(config)


async def _gather(page: MetricsPage, folder: CounterFolder) -> None:
    """Keep the rates fresh and take in what dead workers left."""
    while True:
        await asyncio.to_thread(page.sample)
        await asyncio.to_thread(folder.fold)
        await asyncio.sleep(_SAMPLE_S)


if __name__ == "__main__":
    sys.exit(main())
