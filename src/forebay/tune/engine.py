"""Starts the engine of a trial, under a holder and without a controller, and ends it."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from forebay.config.schema import EmbeddedEngine, VllmEngine
from forebay.config.schema.engines import VllmDefaults
from forebay.core.errors import RunError
from forebay.engines.embedded import embedded_specs
from forebay.engines.log_tail import last_lines, tail
from forebay.engines.record import describe_exit
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.engines.vllm import vllm_specs
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate, minimal_environment
from forebay.tune.setting import Setting
from forebay.tune.space import Space, divides
from forebay.tune.trial import Failure, FailureKind

_PORTS = range(19_000, 32_000)
_POLL_S = 0.1
_WORDS = 12
_STOP_S = 8.0
_NO_MEMORY = re.compile(
    r"out of memory|OutOfMemory|Free memory on device|CUDA error: out of|failed to allocate|Cannot allocate memory",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"ValueError|ValidationError|unrecognized arguments|No available memory for the cache|error: argument"
)
_FACTS = {
    "kv_tokens": re.compile(r"KV cache size: ([\d,]+) tokens"),
    "weights_gib": re.compile(r"Model loading took ([\d.]+) GiB"),
    "compile_s": re.compile(r"torch\.compile takes ([\d.]+) s"),
    "capture_s": re.compile(r"Graph capturing finished in ([\d.]+) secs"),
}
_FACT_LINES = 4000


class StartFailed(RunError):
    """The engine did not become ready; `failure` says what is learned from it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.why, detail="\n".join(failure.words))
        self.failure = failure


class OutOfTime(RunError):
    """The budget ended while the engine was starting: nothing is learned of the setting."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """Engines that answer."""

    urls: tuple[str, ...]
    facts: dict[str, Any]
    start_s: float
    pids: tuple[int, ...] = ()
    specs: tuple[EngineSpec, ...] = ()


class Starter:
    """Starts the engines of one setting at a time below `folder`; another ladder's are not touched."""

    def __init__(self, space: Space, folder: Path, cache: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._space = space
        self.state = StateDir(folder.resolve())
        self.state.prepare()
        self._substrate = LocalSubstrate(self.state)
        self._cache = cache
        self._clock = clock

    def sweep(self) -> None:
        """End whatever an earlier session left running, and what it wrote about it."""
        for name in self._substrate.observe():
            self._substrate.kill(name)
            self._substrate.delete(name)
        self._substrate.end_strays()

    def start(self, setting: Setting, name: str, within_s: float, until_s: float) -> Running:
        """Start all copies and wait until each has answered.

        StartFailed where one ends or is not ready `within_s`; OutOfTime where it is not at the moment `until_s`.
        """
        began_s = self._clock()
        specs = self._specs(setting, name)
        ports = free_ports(len(specs))
        units = [self._unit(spec, port) for spec, port in zip(specs, ports, strict=True)]
        for unit in units:
            try:
                self._substrate.start(unit)
            except RunError as error:
                raise StartFailed(Failure(kind="refused", why=error.what, words=(error.detail,))) from error
        for unit, port in zip(units, ports, strict=True):
            self._await(unit.name, port, began_s, (within_s, until_s))
        for port in ports:
            _warm_up(port, self._space.model)
        return Running(
            urls=tuple(f"http://127.0.0.1:{port}" for port in ports),
            facts=self._facts(units[0].name),
            start_s=self._clock() - began_s,
            pids=tuple(
                record.program.pid for unit in units if (record := self._substrate.find(unit.name)) and record.program
            ),
            specs=tuple(msgspec.structs.replace(spec, port=port) for spec, port in zip(specs, ports, strict=True)),
        )

    def launch(self, unit: UnitSpec) -> None:
        """Start something that belongs to the trial besides its engines."""
        env = {**minimal_environment(), **unit.env}
        self._substrate.start(msgspec.structs.replace(unit, env=env, leash=os.getpid()))

    def stop(self) -> None:
        """End everything, politely and then not."""
        self.end(list(self._substrate.observe()))

    def end(self, names: Sequence[str]) -> None:
        """End these units and forget them."""
        self._substrate.stop(names, _STOP_S)
        for name in names:
            self._substrate.delete(name)

    def died(self) -> Failure | None:
        """Why an engine is no longer there; None while all of them run."""
        for name, record in self._substrate.observe().items():
            if record.ended_at is not None or not record.holder.alive:
                return self._failure(name, "ended")
        return None

    def _specs(self, setting: Setting, name: str) -> tuple[EngineSpec, ...]:
        engine = self._space.engine_of(setting).model_copy(update={"name": name, "count": 1, "port": None})
        config = self._space.loaded.config
        model = config.models[self._space.model].model_copy(update={"engines": [engine]})
        if isinstance(engine, EmbeddedEngine):
            base = self._space.loaded.path.resolve().parent
            one = embedded_specs(self._space.model, engine, base=base, threads=self._space.cores)
        else:
            # With GPUs enough for all, copies divide them as they do in the service; else they share them.
            divided = setting.copies > 1 and divides(engine, setting.copies)
            count = setting.copies if divided else 1
            one = self._vllm(model, engine.model_copy(update={"shutdown": 1.0, "log_level": "info", "count": count}))
            if divided:
                return tuple(msgspec.structs.replace(each, name=f"{name}-{copy}") for copy, each in enumerate(one))
        return tuple(
            msgspec.structs.replace(each, name=f"{name}-{copy}") for copy in range(setting.copies) for each in one
        )

    def _vllm(self, model: Any, engine: VllmEngine) -> tuple[EngineSpec, ...]:
        config = self._space.loaded.config
        model = model.model_copy(update={"engines": [engine]})
        defaults = VllmDefaults(env=config.engine_defaults.vllm.env, log_level="info")
        return vllm_specs(self._space.model, model, engine, defaults, hardware=config.hardware)

    def _unit(self, spec: EngineSpec, port: int) -> UnitSpec:
        shared = {"VLLM_CACHE_ROOT": str(self._cache.resolve())} if spec.kind == "vllm" else {}
        return UnitSpec(
            name=spec.name,
            argv=spec.argv_at("127.0.0.1", port),
            port=port,
            env={**minimal_environment(), **shared, **spec.env},
            cpus=spec.cpus,
            log=str(self.state.log(spec.name)),
            stop_s=_STOP_S,
            leash=os.getpid(),
        )

    def _await(self, name: str, port: int, began_s: float, limits_s: tuple[float, float]) -> None:
        within_s, until_s = limits_s
        while not _is_ready(port):
            record = self._substrate.find(name)
            if record is None or record.ended_at is not None or not record.holder.alive:
                raise StartFailed(self._failure(name, "ended"))
            now_s = self._clock()
            if now_s > until_s:
                raise OutOfTime("the budget ended while the engine was starting")
            if now_s - began_s > within_s:
                raise StartFailed(self._failure(name, "start too slow", f"not ready within {within_s:.0f} s"))
            time.sleep(_POLL_S)

    def _failure(self, name: str, kind: FailureKind, why: str = "") -> Failure:
        log = self.state.log(name)
        words = tuple(tail(log, _WORDS))
        record = self._substrate.find(name)
        status = record.exit_status if record is not None else None
        if kind == "ended":
            text = "\n".join(last_lines(log, 400))
            kind = "out of memory" if _NO_MEMORY.search(text) else "refused" if _REFUSED.search(text) else kind
            why = words[-1][:300] if words else "it ended without a word"
            why = f"{why} ({describe_exit(status)})" if status is not None else why
        return Failure(kind=kind, why=why, words=tuple(each[:500] for each in words))

    def _facts(self, name: str) -> dict[str, Any]:
        text = "\n".join(last_lines(self.state.log(name), _FACT_LINES))
        found: dict[str, Any] = {}
        for fact, form in _FACTS.items():
            if matches := form.findall(text):
                found[fact] = float(matches[-1].replace(",", ""))
        return found


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, in no order: two ladders begin at once."""
    found: list[int] = []
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise RunError("no free port for an engine")


def ask(
    port: int, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float = 120.0, *, key: str = ""
) -> tuple[int, bytes]:
    """One request to an engine, or a gateway, of this machine; OSError or HTTPException where it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        content = None if body is None else msgspec.json.encode(body)
        headers = {"content-type": "application/json"} if content else {}
        connection.request(method, path, content, headers | ({"authorization": f"Bearer {key}"} if key else {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _is_ready(port: int) -> bool:
    try:
        return ask(port, "GET", "/health", timeout_s=5.0)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _warm_up(port: int, model: str) -> None:
    """An engine that is healthy and cannot write a token is not ready."""
    try:
        status, answer = ask(port, "POST", "/v1/completions", {"model": model, "prompt": "Hello", "max_tokens": 4})
    except (OSError, http.client.HTTPException) as error:
        raise StartFailed(Failure(kind="ended", why=f"it does not answer: {error}")) from error
    if status != 200:
        raise StartFailed(Failure(kind="refused", why=f"its first answer is {status}", words=(answer.decode()[:500],)))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
