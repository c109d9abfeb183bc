"""`forebay engine register`: lets a gateway elsewhere find an engine of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine
from typing import Any

import click

from forebay.cli.flags import Flags, common
from forebay.core.errors import ForebayError, UsageError
from forebay.core.units import duration_s
from forebay.messages import _

_SHORTEST_LEASE_S = 1.0


@click.command("register", help=_("Register an engine of this machine in a Valkey until stopped, then withdraw it."))
@click.option("--model", required=True, help=_("The model that it serves, as the gateway names it."))
@click.option("--name", required=True, help=_("Its name, unique among the engines of the model."))
@click.option("--url", required=True, help=_("Where the gateway reaches it: http://host:port."))
@click.option("--valkey", required=True, help=_("valkey://host:port/database; its password lies in VALKEY_PASSWORD."))
@click.option("--lease", default="10s", show_default=True, help=_("How long it lasts; renewed three times meanwhile."))
@click.option("--max-outstanding", type=click.IntRange(1), help=_("Calls that it takes at once."))
@common()
def register(flags: Flags, model: str, name: str, url: str, valkey: str, **given: object) -> None:
    from forebay.discovery import registrar  # noqa: PLC0415  not needed for --help
    from forebay.discovery.connection import Address, Valkey  # noqa: PLC0415

    address = Address.of(valkey, os.environ.get("VALKEY_PASSWORD", ""))
    lease_s = _lease_s(str(given["lease"]))
    bound = given["max_outstanding"]
    what = registrar.Registration(
        model=model, name=name, url=url, lease_s=lease_s, max_outstanding=bound if isinstance(bound, int) else None
    )
    asyncio.run(_until_stopped(registrar.register(Valkey(address), what, flags.say)))


def _lease_s(text: str) -> float:
    try:
        lease_s = duration_s(text)
    except (ValueError, ForebayError) as error:
        raise UsageError(_("--lease: {error}").format(error=error)) from error
    if lease_s < _SHORTEST_LEASE_S:
        raise UsageError(_("--lease is shorter than one second"))
    return lease_s


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
