"""Models and the engines that serve them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import ModelName, Name, Port, Seconds, SecretRef, Section
from forebay.config.schema.cascade import Cascade
from forebay.config.schema.discovery import DnsDiscovery, FileDiscovery, KubernetesDiscovery, ValkeyDiscovery
from forebay.config.schema.edge import Certificate
from forebay.config.schema.limits import Bounds, Price
from forebay.config.schema.reuse import Cache, Prepare
from forebay.config.schema.routing import Routing
from forebay.config.schema.scale import EngineScale

FlagValue = bool | int | float | str | list[str] | dict[str, object]


class EngineBase(Section):
    """What engines of every kind share."""

    name: Name | None = None
    """Name of the engine; copies get `-1`, `-2` … behind it. Default: the model's name and kind."""
    max_outstanding: Annotated[int, Field(ge=1)] | None = None
    """Calls an engine holds at once; the gateway queues the rest. Default: what the engine can run."""
    stall: Seconds = 60.0
    """Work running but no token for this long: the engine is stalled, whatever /health says."""
    weight: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 1.0
    """Its part of the calls where `routing.pick` is `weighted`, and of the sessions."""
    tier: Annotated[int, Field(ge=0, le=99)] = 0
    """Engines of a higher tier take calls only when those of every lower tier have no place."""
    standby: bool = False
    """Whether it takes calls only when no other engine of the model can."""
    adapters: list[ModelName] = []
    """LoRA adapters it serves, by the names that clients ask for as the model."""
    adapter_slots: Annotated[int, Field(ge=1, le=1024)] = 1
    """How many adapters it holds loaded at once: `--max-loras`."""
    warm_up: Seconds = 0.0
    """Time over which its share of the calls grows after a start."""
    usd_per_million_tokens: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = 0.0
    """What a million tokens cost on it, for the policy `cost`."""
    region: Name | None = None
    """Where it stands, for tenants that are bound to a region."""


class OwnedEngine(EngineBase):
    """An engine that forebay starts."""

    count: Annotated[int, Field(ge=1, le=64)] = 1
    """How many copies run."""
    port: Port | None = None
    """First port; copies take the following ones. Default: any free port."""
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = {}
    """Environment of the engine, such as NCCL settings."""
    start: Seconds = 900.0
    """How long loading and warm-up may take before the start counts as failed."""
    drain: Seconds = 120.0
    """How long work may go on after the engine left routing."""
    labels: dict[Annotated[str, Field(min_length=1)], str] = {}
    """Labels that its node must have, where a cluster chooses the node."""
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the file that `weights` is the path of, or of the file SHA256SUMS in that folder, which must name all
    others as `sha256sum` does. An engine starts only once they agree; files that have kept their size and time since
    are not read again. Not with Kubernetes."""
    warmup_prompt: str = "Hello"
    """Prompt of the generation that must succeed before the first request."""
    scale: EngineScale | None = None


class EmbeddedEngine(OwnedEngine):
    """llama.cpp in a process of its own: runs anywhere, no GPU, no download."""

    kind: Literal["embedded"]
    weights: str | None = None
    """Path of a GGUF file. Default: SmolLM2-135M-Instruct, which is installed with forebay."""
    context_tokens: Annotated[int, Field(ge=256, le=1048576)] = 4096
    """Context of one sequence, in tokens."""
    max_sequences: Annotated[int, Field(ge=1, le=256)] = 4
    """Sequences that run at once."""
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """CPU threads. Default: the cores divided among the embedded engines."""


class VllmEngine(OwnedEngine):
    """`vllm serve`, rendered for the stated release."""

    kind: Literal["vllm"]
    weights: Annotated[str, Field(min_length=1)]
    """Path of the weights, or a hub id."""
    release: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    """Release of vLLM that runs, such as 0.33.0: flags are rendered and checked for it."""
    program: list[str] = ["vllm", "serve"]
    """How vLLM is started; the weights and flags follow."""
    args: dict[str, FlagValue] = {}
    """Flags of `vllm serve` without their dashes, such as `max-num-seqs: 96`."""
    trusted_code: list[str] = []
    """Weights whose own code may run: `trust-remote-code` is refused for all others."""
    gpus: list[Annotated[int, Field(ge=0)]] = []
    """GPUs by index, divided evenly among the copies. No two engines may share one."""
    nodes: Annotated[int, Field(ge=1, le=64)] = 1
    """Machines that one copy spreads over, each with the GPUs that `gpus` gives a copy. More than one is written by
    `forebay render kubernetes` alone, as a LeaderWorkerSet."""
    numa_node: Annotated[int, Field(ge=0)] | Literal["auto", "off"] = "auto"
    """NUMA node whose cores and memory the engine keeps to; `auto` is the node of its GPUs."""
    socket_interface: str | None = None
    """Network interface for NCCL and Gloo."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Log level of the engine."""
    usage_reporting: bool = False
    """Whether vLLM may report usage to its makers."""
    offline: bool = True
    """Whether model hubs are out of reach: weights must lie on disk."""
    modelscope: bool = False
    """Whether hub ids are ModelScope's."""
    shutdown: Seconds = 30.0
    """How long vLLM may finish work after SIGTERM, where the release can."""


class Tls(Section):
    """TLS to an engine. Its chain and its name are always checked."""

    ca: str | None = None
    """PEM file of the authority that it is believed for. Default: those that this machine trusts."""
    crl: str | None = None
    """PEM file of certificates that the authority took back."""
    certificate: Certificate | None = None
    """Certificate that the gateway shows, where the engine asks for one."""


class ExternalEngine(EngineBase):
    """An OpenAI-compatible server that forebay does not start."""

    kind: Literal["external"]
    url: Annotated[str, Field(pattern=r"^https?://[^/\s?#@]+$")]
    """`https://host:port`, or `http://` where the way to it is private; without a path."""
    tls: Tls | None = None
    api_key: SecretRef | None = None
    """Key that the engine wants."""
    served_name: str | None = None
    """What the engine calls the model, where it differs."""
    token_prompts: bool = False
    """Whether it is a vLLM without a reasoning parser: it tells token ids and takes them as a prompt, so that a stream
    that is cut can go on from it and at it."""


class DiscoveredEngine(EngineBase):
    """OpenAI-compatible servers that come and go: found, not listed. Each is treated like an external engine."""

    kind: Literal["discovered"]
    via: Literal["file", "dns", "kubernetes", "valkey"]
    """Where they are found; the section of the same name says more."""
    file: FileDiscovery | None = None
    dns: DnsDiscovery | None = None
    kubernetes: KubernetesDiscovery | None = None
    valkey: ValkeyDiscovery | None = None
    settle: Seconds = 5.0
    """How long an engine must be missing before it drains; one that comes and goes must be there longer and longer."""
    drain: Seconds = 120.0
    """How long calls may go on after their engine left."""
    api_key: SecretRef | None = None
    """Key that the engines want."""
    served_name: str | None = None
    """What the engines call the model, where it differs."""


Engine = Annotated[EmbeddedEngine | VllmEngine | ExternalEngine | DiscoveredEngine, Field(discriminator="kind")]


class Model(Section):
    """One model that clients may ask for."""

    aliases: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]] = []
    """Other names that clients may use, such as `gpt-4o-mini`."""
    engines: Annotated[list[Engine], Field(min_length=1)]
    """The engines that serve it."""
    context_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longest prompt plus answer; `max_tokens` beyond it is refused. Default: no bound at the gateway."""
    limits: Bounds = Bounds()
    """What all callers of this model may use together."""
    price: Price = Price()
    continuation: bool = False
    """Whether a stream that its vLLM engine cuts goes on at another one, at the next token. Calls with tools,
    structured output, log-probabilities, penalties, images, a seed or `n` above 1 end with an error event as before."""
    cache: Cache = Cache()
    prepare: Prepare = Prepare()
    cascade: Cascade | None = None
    routing: Routing | None = None


class EmbeddedDefaults(Section):
    """Defaults for embedded engines: keys of the engine itself."""

    context_tokens: Annotated[int, Field(ge=256, le=1048576)] | None = None
    """Context of one sequence, in tokens."""
    max_sequences: Annotated[int, Field(ge=1, le=256)] | None = None
    """Sequences that run at once."""


class VllmDefaults(Section):
    """Defaults for vLLM engines, which profiles fill."""

    args: dict[str, FlagValue] = {}
    """Flags of `vllm serve` without their dashes."""
    env: dict[str, str] = {}
    """Environment of every vLLM engine."""
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    """Log level of every vLLM engine."""


class EngineDefaults(Section):
    """Defaults by kind of engine; an engine's own keys win."""

    embedded: EmbeddedDefaults = EmbeddedDefaults()
    vllm: VllmDefaults = VllmDefaults()
