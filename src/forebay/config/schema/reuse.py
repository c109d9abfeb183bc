"""Doing work once: a model's answers kept, and its requests shaped so that engines' own caches hit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Bytes, Name, Seconds, Section


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
