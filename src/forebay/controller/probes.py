"""What is looked at to judge a unit: each probe gathers the evidence of one round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from forebay.controller.http import Address, Answer, ask, connects
from forebay.controller.orphans import Orphans, gpus_of
from forebay.core.unix_sockets import connected
from forebay.engines.health import Evidence, Health, Patience
from forebay.engines.scrape import EngineLoad, parse
from forebay.engines.spec import EngineSpec
from forebay.substrate.place import read_place, read_waits

_HEALTH_S = 3.0
_METRICS_S = 3.0
_WARMUP_LIMIT_S = 300.0
_WARMUP_TOKENS = 4
_COMPLETIONS, _READS = "/v1/completions", ("/v1/embeddings", "/classify", "/pooling")
# What warms an engine up by its task. Where nobody told the task, vLLM found it out, and all but its routes are 404.
_WARM_UPS: dict[str, tuple[str, ...]] = {
    "generate": (_COMPLETIONS,),
    "embed": _READS[:1],
    "classify": _READS[1:2],
    "pooling": _READS,
    "": (_COMPLETIONS, *_READS),
}
_SERVICE_PATIENCE = Patience(start_s=60.0, stall_s=10.0)


class Probe(Protocol):
    """Gathers evidence about one unit."""

    @property
    def orphaned_s(self) -> float: ...

    @property
    def patience(self) -> Patience: ...

    async def look(self, health: Health, port: int) -> Evidence:
        """One round, within a few seconds."""
        ...

    async def close(self) -> None: ...


class ServiceProbe:
    """A worker or the admin process: `GET path` answers 200; without a path, something accepts connections."""

    def __init__(self, host: str, path: str | None) -> None:
        self.patience = _SERVICE_PATIENCE
        self.orphaned_s = 0.0
        self._host = host
        self._path = path

    async def look(self, health: Health, port: int) -> Evidence:
        address = Address(self._host, port)
        if self._path is None:
            answers = await connects(address, _HEALTH_S)
        else:
            answers = (await ask(address, self._path, timeout_s=_HEALTH_S)).status == 200
        return Evidence(answers=answers, warmed_at_s=time.monotonic() if answers else None)

    async def close(self) -> None:
        return


class SocketProbe:
    """A process behind a unix socket: it accepts connections."""

    def __init__(self, path: Path) -> None:
        self.patience = _SERVICE_PATIENCE
        self.orphaned_s = 0.0
        self._path = path

    async def look(self, health: Health, port: int) -> Evidence:
        try:
            connected(self._path).close()
        except OSError:
            return Evidence(answers=False)
        return Evidence(answers=True, warmed_at_s=time.monotonic())

    async def close(self) -> None:
        return


class EngineProbe:
    """An engine: /health, a warm-up generation where one is due, and its metrics every `scrape_s`.

    `held` tells how many calls all workers have at it, so that work which nobody waits for can be told. `place` is the
    file that says where it listens, for one in a cluster.
    """

    def __init__(
        self,
        spec: EngineSpec,
        scrape_s: float,
        held: Callable[[str], int] | None = None,
        place: Path | None = None,
    ) -> None:
        self.patience = Patience(start_s=spec.start_s, stall_s=spec.stall_s, owned=bool(spec.argv))
        self.load: EngineLoad | None = None
        self._spec = spec
        self._place = place
        self._scrape_s = scrape_s
        self._scraped_s = float("-inf")
        self._warmed_s: float | None = None
        self._warming: asyncio.Task[Answer] | None = None
        # An external engine may well work for others: nothing about it is forebay's to judge.
        self._held = held if spec.argv else None
        self._orphans = Orphans(gpus_of(spec.env))
        self._warm_ups = list(_WARM_UPS[spec.task])

    @property
    def orphaned_s(self) -> float:
        """Time in which the engine worked for nobody; see `Orphans`."""
        return self._orphans.seconds

    async def look(self, health: Health, port: int) -> Evidence:
        address = self._address(port)
        if address is None:
            waits = read_waits(self._place) if self._place is not None else None
            return Evidence(answers=False, warmed_at_s=self._warmed_s, load=self.load, waits=waits)
        answer = await ask(address, "/health", timeout_s=_HEALTH_S)
        # An external server may have no such route: that it answers at all is what can be known.
        answers = answer.status == 200 if self._spec.argv else 0 < answer.status < 500
        if answers and health.state not in ("starting", "warming"):
            # Who waits for an engine to empty wants to know now.
            await self._scrape(address, 0.0 if health.state == "draining" else self._scrape_s)
        if answers:
            self._warm(health, address)
        return Evidence(answers=answers, warmed_at_s=self._warmed_s, load=self.load)

    async def close(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
            self._warming = None

    def _address(self, port: int) -> Address | None:
        """Where it listens; None for one in a cluster that has not been told yet."""
        if self._place is None:
            return Address(self._spec.host, port, self._spec.tls)
        place = read_place(self._place)
        return Address(place.host, place.port) if place is not None else None

    async def _scrape(self, address: Address, every_s: float) -> None:
        now_s = time.monotonic()
        if now_s - self._scraped_s < every_s:
            return
        self._scraped_s = now_s
        before = self._held(self._spec.name) if self._held is not None else 0
        answer = await ask(address, "/metrics", timeout_s=_METRICS_S)
        self.load = parse(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None
        if self._held is not None:
            reported = self.load.held if self.load is not None else None
            self._orphans.note(reported, max(before, self._held(self._spec.name)), time.monotonic())

    def _warm(self, health: Health, address: Address) -> None:
        """Start, or look after, the generation that a warming engine owes."""
        if health.state != "warming":
            return
        if not self._spec.argv:  # an external engine is another's: its tokens may cost money
            self._warmed_s = time.monotonic()
            return
        if self._warming is None:
            self._warming = asyncio.create_task(self._generate(address))
        elif self._warming.done():
            status = self._warming.result().status
            if status == 200:
                self._warmed_s = time.monotonic()
            elif status == 404 and len(self._warm_ups) > 1:
                del self._warm_ups[0]  # a model that does something else
            self._warming = None

    async def _generate(self, address: Address) -> Answer:
        wanted: dict[str, object] = {"model": self._spec.served_name or self._spec.model}
        path = self._warm_ups[0]
        if path == _COMPLETIONS:
            wanted |= {"prompt": self._spec.warmup_prompt, "max_tokens": _WARMUP_TOKENS, "temperature": 0}
        else:
            wanted["input"] = self._spec.warmup_prompt
        timeout_s = min(self._spec.start_s, _WARMUP_LIMIT_S)
        return await ask(address, path, timeout_s=timeout_s, body=msgspec.json.encode(wanted))
