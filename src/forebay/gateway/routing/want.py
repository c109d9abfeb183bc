"""What routing knows of a call: only what a policy in force needs is worked out."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
import orjson

BLOCK_BYTES = 256
"""About 64 tokens of English: four of vLLM's cache blocks, and short enough for a one-line system prompt."""
MAX_BLOCKS = 512
_UNSTATED_ANSWER_TOKENS = 256
_BYTES_A_TOKEN = 4


class Want(msgspec.Struct, gc=False):
    """A call as policies see it. `tokens` are the estimate that is held against an engine until the call leaves.

    `blocks` are chained hashes of the prompt: equal up to some place means that the text is equal up to it.
    `expected` is the share of them that its engine was thought to have as the call entered, the one thing that is set
    later. `session` and `split` are 64-bit digests, -1 where the call names none.
    `timed`: somebody wants to know how long it takes to the first event. `gc=False`: numbers and text alone.
    """

    tokens: int = 0
    blocks: tuple[int, ...] = ()
    session: int = -1
    adapter: str = ""
    split: int = -1
    expected: float = 0.0
    timed: bool = False


NOTHING = Want()


def tokens_of(body: bytes, fields: dict[str, Any]) -> int:
    """Prompt by its bytes, answer by what it may be at most; several answers are several times the work."""
    answer = fields.get("max_completion_tokens") or fields.get("max_tokens") or _UNSTATED_ANSWER_TOKENS
    return len(body) // _BYTES_A_TOKEN + int(answer) * int(fields.get("n") or 1)


def blocks_of(fields: dict[str, Any], salt: str) -> tuple[int, ...]:
    """Chained hashes of the prompt's full blocks, at most MAX_BLOCKS.

    Tools come first since templates put them there. `salt` parts what an engine's cache parts: models, adapters and
    tenants. The hash is that of this process, and blocks never leave it.
    """
    text = _prompt(fields)
    found = []
    chained = hash(salt)
    for end in range(BLOCK_BYTES, min(len(text), BLOCK_BYTES * MAX_BLOCKS) + 1, BLOCK_BYTES):
        chained = hash((chained, text[end - BLOCK_BYTES : end]))
        found.append(chained)
    return tuple(found)


def digest64(*texts: str) -> int:
    """A number that is the same in every worker, unlike `hash`."""
    return int.from_bytes(blake2b("\0".join(texts).encode(), digest_size=8).digest(), "big")


def _prompt(fields: dict[str, Any]) -> bytes:
    messages = fields.get("messages")
    if messages is None:
        prompt = fields.get("prompt", "")
        return prompt.encode() if type(prompt) is str else orjson.dumps(prompt)
    tools = fields.get("tools")
    # Sorted keys: two clients that write `role` and `content` in another order mean the same prompt.
    said = orjson.dumps(messages, option=orjson.OPT_SORT_KEYS)
    return orjson.dumps(tools, option=orjson.OPT_SORT_KEYS) + said if tools else said
