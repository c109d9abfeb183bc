"""Doing work once: a model's answers kept, and its requests shaped so that engines' own caches hit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Bytes, Name, Seconds, Section


class Semantic(Section):
    """Answers to questions that mean the same, for calls that miss the exact cache. English alone, chat alone.

    Of two calls only the last user message may differ, and in it only words that carry no meaning: numbers, names,
    negations, question words and everything that is not known to be glue must agree, in order. Then an embedding model
    must find the two near. Needs `exact`, and the packages of `make semantic`.
    """

    enabled: bool = False
    """Whether answers are given to questions in other words."""
    threshold: Annotated[float, Field(ge=0.5, le=1)] = 0.9
    """Least cosine similarity of two questions. Measured in `benchmarks/results/semantic.md`."""
    deadline: Annotated[Seconds, Field(gt=0, le=5)] = 0.2
    """Longest wait for the embedding model; then an engine answers."""
    questions: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most questions that one worker can compare with; about 600 bytes each."""


class Cache(Section):
    """Reuse of whole answers: for calls at temperature 0 or with a seed, or that send `x-forebay-cache: use`.

    Only one choice, without tools and without content that lies elsewhere. `bypass` keeps a call out of it, `refresh`
    replaces what is kept. Answers never pass from one tenant to another, nor from one configuration to the next.
    """

    exact: bool = False
    """Whether an answer is given again to the same question."""
    single_flight: bool = False
    """Whether equal calls at the same time share one generation."""
    ttl: Seconds = 3600.0
    """How long an answer is given again."""
    memory: Bytes = 64 * 1024 * 1024
    """Most that one worker keeps of this model's answers; the least recently used leave first."""
    answer: Bytes = 1024 * 1024
    """Largest answer that is kept, and most of a shared stream that is held for its slowest reader."""
    shared: bool = False
    """Whether workers find each other's answers in the Valkey of the section `valkey`, also after a restart."""
    semantic: Semantic = Semantic()
    """Answers to questions that mean the same."""
    tenants: list[Name] | None = None
    """Tenants whose calls take part. Default: all, each for itself."""


class Prepare(Section):
    """How requests are shaped before an engine sees them."""

    cache_salt: Literal["auto", "tenant", "key", "off"] = "auto"
    """Who shares an engine's prefix cache: the calls of one tenant, of one key, or all. `auto` is `tenant` at vLLM
    engines that forebay starts; named, it holds at external engines too, which must then be vLLM."""
    history_tokens: Annotated[int, Field(ge=1)] | None = None
    """Most that a conversation may hold by estimate (four ASCII characters or one other are a token); whole turns
    leave, the oldest first, system messages and the last turn stay. Default: nothing leaves."""
    max_tokens_default: Annotated[int, Field(ge=1)] | None = None
    """Length of an answer where the call names none. Default: the engine's."""
    max_tokens_limit: Annotated[int, Field(ge=1)] | None = None
    """Longest answer; what asks for more gets this. Default: no bound beyond the context."""
    sort_tools: bool = False
    """Whether tools go to the engine in the order of their names, with sorted keys, so that prefixes are equal."""
    trim_system: bool = False
    """Whether system prompts lose white space at line ends, at both ends, and blank lines in a row."""
