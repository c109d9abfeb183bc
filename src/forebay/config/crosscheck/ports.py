"""No two parts may listen on one port of one address."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec

from forebay.config.provenance import Node, Path, find, show_path
from forebay.config.schema import Config, DiscoveredEngine, ExternalEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

LAST_PORT = 65535
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104  compared with, not bound to


class Listener(msgspec.Struct, frozen=True):
    """A port that a part will listen on. `path` is the key that says so, `offset` how far behind it."""

    port: int
    address: str
    path: Path
    offset: int = 0

    @property
    def label(self) -> str:
        key = show_path(self.path)
        return f"{key} + {self.offset}" if self.offset else key


def listeners(config: Config) -> Iterator[Listener]:
    """Every port that is known before anything runs; engines without a port take a free one."""
    if config.edge.kind != "none":
        yield Listener(config.edge.https_port, config.edge.bind, ("edge", "https_port"))
        if config.edge.http_port is not None:
            yield Listener(config.edge.http_port, config.edge.bind, ("edge", "http_port"))
    yield Listener(config.gateway.port, config.gateway.bind, ("gateway", "port"))
    for index in range(config.gateway.workers):
        yield Listener(config.gateway.worker_port + index, config.gateway.bind, ("gateway", "worker_port"), index)
    yield Listener(config.admin.port, config.admin.bind, ("admin", "port"))
    yield Listener(config.observe.metrics.port, config.observe.metrics.bind, ("observe", "metrics", "port"))
    if config.valkey.kind == "bundled":
        yield Listener(config.valkey.port, "127.0.0.1", ("valkey", "port"))
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, ExternalEngine | DiscoveredEngine) or engine.port is None:
                continue
            for copy in range(engine.count):
                yield Listener(engine.port + copy, "127.0.0.1", ("models", name, "engines", index, "port"), copy)


def ports(config: Config, tree: Node) -> Iterator[Finding]:
    """Ports used twice, and ranges that run past the last port."""
    seen: list[Listener] = []
    blamed: set[tuple[Path, Path]] = set()
    taken = {listener.port for listener in listeners(config)}
    for listener in listeners(config):
        if listener.port > LAST_PORT:
            if (listener.path, ()) not in blamed:
                why = _("port {port} does not exist: {count} ports are needed from here on")
                why = why.format(port=listener.port, count=_needed(config, listener.path))
                fix = _("Start low enough for the last one to be {last} at most").format(last=LAST_PORT)
                where = locate(tree, listener.path)
                yield Finding(rule="port_range", severity="error", where=where, why=why, fix=fix)
                blamed.add((listener.path, ()))
            continue
        for other in seen:
            if _clash(listener, other) and (listener.path, other.path) not in blamed:
                # Blame the key that the operator wrote, not a default that it ran into.
                mine, theirs = (listener, other) if find(tree, listener.path) is not None else (other, listener)
                why = _("port {port} is also {other}").format(port=mine.port, other=theirs.label)
                fix = _("Choose another, such as {port}").format(port=_free(taken, mine.port))
                where = locate(tree, mine.path)
                yield Finding(rule="port_clash", severity="error", where=where, why=why, fix=fix)
                blamed.add((listener.path, other.path))
        seen.append(listener)


def _clash(one: Listener, other: Listener) -> bool:
    same = one.address == other.address or one.address in _EVERYWHERE or other.address in _EVERYWHERE
    return one.port == other.port and same


def _needed(config: Config, path: Path) -> int:
    return sum(listener.path == path for listener in listeners(config))


def _free(taken: set[int], start: int) -> int:
    candidates = itertools.chain(range(start + 1, LAST_PORT + 1), range(1024, start))
    return next((port for port in candidates if port not in taken), start)
