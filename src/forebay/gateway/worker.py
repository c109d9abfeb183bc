"""A gateway worker: one process, one event loop, a port of its own.

SIGHUP takes the current snapshot; SIGTERM stops listening, finishes the calls in flight, and leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

from forebay.core.errors import ForebayError
from forebay.core.files import write_atomically
from forebay.gateway.admission import Admission
from forebay.gateway.auditing.policy import AuditPolicy
from forebay.gateway.auditing.trail import Auditor, told
from forebay.gateway.believed import believed, without_keys
from forebay.gateway.consent.ledger import Ledger as Consents
from forebay.gateway.consent.policy import ConsentPolicy
from forebay.gateway.fleet import Fleet
from forebay.gateway.idempotency.claims import Claims
from forebay.gateway.ingress import ClientConnection
from forebay.gateway.limits.limiter import Limiter
from forebay.gateway.limits.policy import LimitsPolicy
from forebay.gateway.meter import Meter
from forebay.gateway.parts import Parts
from forebay.gateway.respond import DATE
from forebay.gateway.routing.plans import plans_of
from forebay.gateway.siblings import Siblings
from forebay.gateway.snapshot import read
from forebay.gateway.uses import Uses
from forebay.gateway.view import view_of
from forebay.observe import catalogue
from forebay.observe.log import JsonLog
from forebay.observe.page import CounterPage
from forebay.store.state_dir import StateDir

_SWEEP_S = 0.25
# Calls leave no cycles behind; at 700, as it comes, the collector looks for some every few dozen calls in flight.
_COLLECTED_AT = (10_000, 20, 20)
_BACKLOG = 4096
_LOG_PIPE_BYTES = 1024 * 1024  # the most an ordinary user may ask for; 64 KiB, the default, is 160 calls


class Worker:
    """Builds the parts, listens, sweeps, reloads, drains."""

    def __init__(self, name: str, state: StateDir) -> None:
        self._name = name
        self._state = state
        digest, snapshot = read(state.current_snapshot)
        self._believed_s, self._whole = snapshot.keys_believed_s, view_of(digest, snapshot)
        view = self._whole if self._believes() else without_keys(self._whole)
        page = self._page = CounterPage(state.counters / f"{name}.{os.getpid()}.page")
        self._said_full = False
        self._siblings = Siblings(state.counters, os.getpid())
        self._uses = Uses(name, state, ThreadPoolExecutor(1, "uses").submit)  # one thread: what is newer comes last
        fleet = Fleet(page, self._siblings, time.monotonic)
        fleet.update(snapshot.engines)
        fleet.route(plans_of(snapshot), view.policy.breaker)
        admission = Admission(fleet, view.policy.queue_calls, time.monotonic)
        admission.use(snapshot.queue, view.policy.queue_calls)
        log = JsonLog(view.policy.service, view.policy.log_level)
        self.parts = Parts(view, fleet, admission, Meter(page), log, time.monotonic)
        self.parts.reuse.meanings.embedder = state.embedder
        if snapshot.limits is not None:
            self.parts.limits = self._limiter(snapshot.limits)
        self._audit(snapshot.audit)
        self._consent(snapshot.consent)
        self.parts.claims = Claims(name, state.claims, self.parts.meter, self._say)
        self.parts.claims.update(snapshot.idempotency, snapshot.pepper, snapshot.privacy)
        self._servers: list[asyncio.Server] = []
        self._stopping = asyncio.Event()

    async def run(self, sockets: list[socket.socket]) -> None:
        """Serve until SIGTERM, then drain."""
        loop = asyncio.get_running_loop()
        if self.parts.limits is not None:
            await self.parts.limits.start()
        if self.parts.consents is not None:
            await self.parts.consents.start()
        gc.collect()
        gc.freeze()  # modules and parts live as long as the worker: a full collection need not walk them (3 ms) again
        gc.set_threshold(*_COLLECTED_AT)
        for listening in sockets:
            server = await loop.create_server(lambda: ClientConnection(self.parts), sock=listening, backlog=_BACKLOG)
            self._servers.append(server)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        self._acknowledge()
        self._say("info", "worker is ready")
        async with asyncio.TaskGroup() as tasks:
            sweeping = tasks.create_task(self._sweep_for_ever())
            await self._stopping.wait()
            await self._drain()
            sweeping.cancel()
        if self.parts.audit is not None:
            await told(self.parts.audit)
        if self.parts.limits is not None:
            self.parts.limits.close()
        if self.parts.claims is not None:
            self.parts.claims.close()
        if self.parts.consents is not None:
            self.parts.consents.close()
        self.parts.log.flush()

    async def _sweep_for_ever(self) -> None:
        """Everything that is looked at from time to time instead of having a timer of its own."""
        parts = self.parts
        round_number = 0
        while True:
            now = time.monotonic()
            DATE.update(time.time())
            for client in [each for each in parts.clients if each.deadline < now]:
                client.expire(now)
            parts.fleet.sweep(now)
            parts.reuse.sweep(now)
            parts.budget.catch_up()
            for change in parts.fleet.ejection.take_changes():
                self._say(change.level, change.message, engine=change.engine, model=change.model, reason=change.reason)
            if parts.limits is not None:
                parts.limits.sweep(now)
            if parts.claims is not None:
                parts.claims.sweep(now)
            if parts.audit is not None:
                parts.audit.sweep(now)
            if parts.consents is not None:
                parts.consents.sweep()
            if round_number % 4 == 0:
                self._siblings.refresh()
                self._uses.look(parts.view, time.time())
                self._doubt()
            parts.meter.waiting(parts.admission.lines.waiting_by)
            parts.meter.gauges(
                queued=parts.admission.waiting, connections=len(parts.clients), log_dropped=parts.log.dropped
            )
            if self._page.full and not self._said_full:
                self._said_full = True
                self._say("error", "the counter page is full; further series are not seen until the worker restarts")
            parts.log.flush()
            round_number += 1
            await asyncio.sleep(_SWEEP_S)

    def _reload(self) -> None:
        """Swap one reference between calls; a snapshot that cannot be used leaves the old one in force."""
        parts = self.parts
        try:
            digest, snapshot = read(self._state.current_snapshot)
            view = view_of(digest, snapshot)
            plans = plans_of(snapshot)
            parts.log.set_level(view.policy.log_level)
        except (ForebayError, ImportError, KeyError, ValueError) as error:
            parts.meter.count(catalogue.RELOADS, "refused")
            self._say("error", "the new snapshot cannot be used; the old one stays", error=str(error))
            return
        parts.admission.use(snapshot.queue, view.policy.queue_calls)
        parts.fleet.update(snapshot.engines)
        parts.fleet.route(plans, view.policy.breaker)
        parts.budget.ratio = view.policy.retry_budget_ratio
        parts.budget.capacity = 2.0 * parts.fleet.largest_bound()
        parts.reuse.update(view.models.values(), view.pepper)
        self._relimit(snapshot.limits)
        self._audit(snapshot.audit)
        self._consent(snapshot.consent)
        if parts.claims is not None:
            parts.claims.update(snapshot.idempotency, snapshot.pepper, snapshot.privacy)
        parts.failures.policy = view.failures
        self._uses.look(parts.view, time.time(), last=True)
        self._believed_s, self._whole = snapshot.keys_believed_s, view
        parts.view = view if self._believes() else without_keys(view)
        parts.meter.count(catalogue.RELOADS, "taken")
        self._acknowledge()

    def _believes(self) -> bool:
        return believed(self._state.keys_confirmed, self._believed_s, time.time())

    def _doubt(self) -> None:
        """Keys that were confirmed too long ago open nothing until they are confirmed again."""
        parts, good = self.parts, self._believes()
        if good != parts.view.undecided:
            return
        self._uses.look(parts.view, time.time(), last=True)
        parts.view = self._whole if good else without_keys(self._whole)
        said = "keys are confirmed again" if good else "the keys were not confirmed for too long: they open nothing"
        self._say("info" if good else "error", said)

    def _audit(self, policy: AuditPolicy | None) -> None:
        """Calls that run keep the auditor they began with; it goes with the last of them."""
        parts = self.parts
        if policy is None:
            parts.audit = None
        elif parts.audit is None:
            parts.audit = Auditor(self._state.audit_socket, policy, parts.meter, time.monotonic)
        else:
            parts.audit.policy = policy

    def _consent(self, policy: ConsentPolicy | None) -> None:
        parts = self.parts
        if policy is None:
            if parts.consents is not None:
                parts.consents.close()
            parts.consents = None
        elif parts.consents is None:
            parts.consents = Consents(self._state.consents, policy, self._say, time.monotonic)
            parts.consents.sweep()  # until it has heard everything, it refuses
        else:
            parts.consents.policy = policy

    def _relimit(self, policy: LimitsPolicy | None) -> None:
        if self.parts.limits is not None:
            self.parts.limits.update(policy or LimitsPolicy())
        elif policy is not None:
            self.parts.limits = self._limiter(policy)
            self.parts.limits.start_late()

    def _limiter(self, policy: LimitsPolicy) -> Limiter:
        record = self._state.spent / f"{self._name}.json"
        return Limiter(policy, f"{self._name}.{os.getpid()}.{os.urandom(6).hex()}", record, self.parts.meter, self._say)

    def _acknowledge(self) -> None:
        write_atomically(self._state.acknowledgement(self._name), self.parts.view.digest.encode())

    async def _drain(self) -> None:
        parts = self.parts
        self._say("info", "worker is draining", calls=len(parts.clients))
        parts.draining = True
        for server in self._servers:
            server.close()
        for client in list(parts.clients):
            client.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(parts.view.policy.drain_s):
                while parts.clients:  # noqa: ASYNC110  no event to wait for: connections do not know of the drain
                    await asyncio.sleep(0.02)
        for client in list(parts.clients):
            client.abort()
        self._say("info", "worker has stopped", aborted=len(parts.clients))
        await asyncio.sleep(0)

    def _say(self, level: str, message: str, **fields: object) -> None:
        self.parts.log.write(level, message, time.time(), worker=self._name, **fields)
        self.parts.log.flush()


def main(arguments: list[str] | None = None) -> int:
    """Process entry. Exit 1 with one line on stderr where the worker cannot start."""
    parser = argparse.ArgumentParser(prog="forebay.gateway.worker", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--shared-port", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        sockets = [_listen(options.bind, options.port, shared=False)]
        if options.shared_port:
            sockets.append(_listen(options.bind, options.shared_port, shared=True))
        with contextlib.suppress(OSError):  # a file or a terminal: then a write may take a moment
            os.set_blocking(1, False)
            fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, _LOG_PIPE_BYTES)
        uvloop.run(_serve(options.name, StateDir(options.state.resolve()), sockets))
    except (ForebayError, ImportError, OSError) as error:  # what only this configuration needs may be missing
        print(f"worker {options.name} cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _serve(name: str, state: StateDir, sockets: list[socket.socket]) -> None:
    await Worker(name, state).run(sockets)


def _listen(host: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        # For use without an edge only: the kernel splits kept-alive connections as unevenly as 2 to 15.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, port))
    listening.setblocking(False)
    return listening


if __name__ == "__main__":
    sys.exit(main())
