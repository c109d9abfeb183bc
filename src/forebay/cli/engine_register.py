"""`forebay engine register`: lets a gateway elsewhere find an engine of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from typing import Any

import click

from forebay.cli.flags import Duration, Flags, common
from forebay.messages import _

_SHORTEST_LEASE_S = 1.0


@click.command("register", help=_("Register an engine of this machine in a Valkey until stopped, then withdraw it."))
@click.option("--model", required=True, help=_("The model that it serves, as the gateway names it."))
@click.option("--name", required=True, help=_("Its name, unique among the engines of the model."))
@click.option("--url", required=True, help=_("Where the gateway reaches it: http://host:port."))
@click.option("--valkey", required=True, help=_("valkey://host:port/database; its password lies in VALKEY_PASSWORD."))
@click.option(
    "--lease",
    type=Duration(_SHORTEST_LEASE_S),
    default="10s",
    show_default=True,
    help=_("How long it lasts; renewed three times meanwhile."),
)
@click.option("--max-outstanding", type=click.IntRange(1), help=_("Calls that it takes at once."))
@common()
def register(flags: Flags, model: str, name: str, url: str, valkey: str, **given: Any) -> None:
    from forebay.discovery import registrar  # noqa: PLC0415  not needed for --help
    from forebay.discovery.connection import Address, Valkey  # noqa: PLC0415

    address = Address.of(valkey, os.environ.get("VALKEY_PASSWORD", ""))
    what = registrar.Registration(
        model=model, name=name, url=url, lease_s=given["lease"], max_outstanding=given["max_outstanding"]
    )
    asyncio.run(_until_stopped(registrar.register(Valkey(address), what, flags.say)))


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
