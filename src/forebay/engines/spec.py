"""One engine, fully resolved: nothing is left to be looked up when it starts."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.core.tls import EngineTls

Kind = Literal["embedded", "vllm", "external"]


class EngineRouting(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is to routing; it may change without the engine's process. See the `engines` keys."""

    weight: float = 1.0
    tier: int = 0
    standby: bool = False
    adapters: tuple[str, ...] = ()
    adapter_slots: int = 1
    warm_up_s: float = 0.0
    usd_per_million_tokens: float = 0.0
    region: str = ""


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine needs of the node that it is put on, where somebody else chooses the node."""

    cpus: float = 1.0
    gpus: int = 0
    labels: dict[str, str] = {}


class EngineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An engine that serves `model` at `host:port`.

    `token_prompts`: it tells token ids and takes prompts of them.
    `argv` is empty for an external engine. `port` is 0 until one is chosen: `{port}` in argv stands for it, and
    `{host}` for the address of the machine that it is put on.
    `release` is vLLM's, `task` what it was told to do: `generate`, `embed`, `classify`, `pooling`, or nothing.
    `env` is what the engine's process gets on top of a minimal environment. `weights` is the path of its weights,
    empty where they are a hub id or come with forebay; see the key `weights_sha256`.
    """

    name: str
    model: str
    kind: Kind
    host: str = "127.0.0.1"
    port: int = 0
    argv: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cpus: tuple[int, ...] = ()
    max_outstanding: int
    served_name: str | None = None
    authorization: str | None = None
    tls: EngineTls | None = None
    token_prompts: bool = False
    start_s: float = 900.0
    drain_s: float = 120.0
    stall_s: float = 60.0
    shutdown_s: float = 30.0
    warmup_prompt: str = "Hello"
    release: str | None = None
    task: str = ""
    routing: EngineRouting = EngineRouting()
    needs: Needs = Needs()
    weights: str = ""
    weights_sha256: str = ""

    def argv_at(self, host: str, port: int | str) -> tuple[str, ...]:
        """The command line with the address filled in."""
        return tuple(part.replace("{host}", host).replace("{port}", str(port)) for part in self.argv)


class UnitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A process under a holder: an engine, a gateway worker, the edge, the admin process, the controller.

    `stop_s`: how long `stop_signal` may take before SIGKILL. `restart`: the holder itself starts it again (the
    controller alone; everything else is restarted by the controller, which knows why). `digest` names what the unit
    was asked to be, so that an unchanged unit is left alone; `env` is the whole environment. `json_log`: lines that
    are not JSON are wrapped into the log form of `service` and `version`. `inherit` names variables that come from
    the environment of whoever starts the unit and are not written down: secrets. `leash`: the process with which the
    unit ends, where nobody else is to take it over. `stop_waits`: the program starts with its `stop_signal` blocked,
    and lets it in itself once it can answer it.
    """

    name: str
    argv: tuple[str, ...]
    digest: str = ""
    port: int = 0
    env: dict[str, str] = {}
    inherit: tuple[str, ...] = ()
    cpus: tuple[int, ...] = ()
    log: str
    log_rotate_bytes: int = 64 * 1024 * 1024
    log_keep: int = 5
    log_span_s: float = 0.0
    stop_s: float = 30.0
    stop_signal: int = 15
    stop_waits: bool = False
    restart: bool = False
    leash: int | None = None
    json_log: bool = True
    service: str = "forebay"
    version: str = ""
