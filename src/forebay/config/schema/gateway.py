"""The data path: workers, limits, timeouts, queue, retries."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Bytes, Port, Seconds, Section
from forebay.config.schema.idempotency import Idempotency
from forebay.config.schema.queue import Queue
from forebay.config.schema.routing import Breaker, ScorerName


class Limits(Section):
    """What a request may be at most."""

    target: Bytes = 8 * 1024
    """Length of the request line's target; beyond it 414."""
    head: Bytes = 32 * 1024
    """All header lines together; beyond it 431."""
    body: Bytes = 16 * 1024 * 1024
    """Body of a request; beyond it 413. The edge takes the same."""
    answer: Bytes = 16 * 1024 * 1024
    """Whole answer that is held so that a failing engine can be replaced; a longer one streams through."""
    event: Bytes = 1024 * 1024
    """One server-sent event of an engine; a longer one ends the stream with an error."""
    choices: Annotated[int, Field(ge=1, le=16_384)] = 128
    """Answers that one call may ask for: its prompts times `n`. Beyond it 400."""
    connections: Annotated[int, Field(ge=1)] = 10_000
    """Open client connections of one worker; further ones are refused."""


class Timeouts(Section):
    """How long each step of a call may take, outermost last."""

    head: Seconds = 10.0
    """From the first byte of a request to the end of its head."""
    body: Seconds = 30.0
    """Between two pieces of a body."""
    idle: Seconds = 75.0
    """A kept-alive connection without a request."""
    connect: Seconds = 2.0
    """Opening a connection to an engine."""
    first_byte: Seconds = 300.0
    """From sending to an engine until its answer begins."""
    chunk: Seconds = 60.0
    """Between two pieces of an engine's answer."""
    stall: Seconds = 30.0
    """A client that reads nothing while an answer waits for it."""
    call: Seconds = 600.0
    """A whole call, queue included."""
    drain: Seconds = 60.0
    """Calls in flight after a worker was told to stop."""


class Retry(Section):
    """Failover to another engine before the first byte of an answer."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Engines tried for one call, the first included."""
    budget_ratio: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.2
    """Retries allowed as a share of calls, so that a dying fleet is not hit harder."""


class Gateway(Section):
    """The gateway between the edge and the engines."""

    bind: str = "127.0.0.1"
    """Address the workers listen on."""
    port: Port = 8200
    """Port that all workers share, for use without an edge."""
    workers: Annotated[int, Field(ge=1, le=256)] = 2
    """Worker processes; each has a port of its own."""
    worker_port: Port = 8201
    """Port of the first worker; the others follow."""
    routing: ScorerName = "least_loaded"
    """Which of the ready engines takes a call, for models that say nothing else."""
    trusted_proxies: list[str] = ["127.0.0.1/32", "::1/128"]
    """Networks whose X-Forwarded-For is believed."""
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    queue: Queue = Queue()
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    idempotency: Idempotency = Idempotency()
