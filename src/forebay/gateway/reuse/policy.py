"""What a snapshot says about reuse: values a model holds, absent where its policy is off."""

from __future__ import annotations

import msgspec

from forebay.gateway.limits.policy import ValkeyRef


class SemanticPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Answers given to questions that mean the same: from which similarity, waited for how long, and how many known."""

    threshold: float
    deadline_s: float
    questions: int


class CachePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Reuse of a model's answers. `version` changes with the configuration, and with it every key.

    `tenants` holds those who take part, None for all; bytes are of one worker. `shared` is where the
    workers find each other's answers.
    """

    version: str
    exact: bool
    single_flight: bool
    ttl_s: float
    memory_bytes: int
    answer_bytes: int
    tenants: tuple[str, ...] | None = None
    shared: ValkeyRef | None = None
    semantic: SemanticPolicy | None = None


class PreparePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a model's requests are shaped before an engine sees them. None and empty text leave a part out.

    `salt` is `tenant` or `key`: whose prefixes an engine's cache may share.
    """

    salt: str = ""
    history_tokens: int | None = None
    max_tokens_default: int | None = None
    max_tokens_limit: int | None = None
    sort_tools: bool = False
    trim_system: bool = False

    @property
    def shapes(self) -> bool:
        """Whether any part may change the body's own fields."""
        limits = (self.history_tokens, self.max_tokens_default, self.max_tokens_limit)
        return self.sort_tools or self.trim_system or any(limit is not None for limit in limits)
