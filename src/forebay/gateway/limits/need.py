"""What a call may use at most, estimated before an engine has counted anything. Pure."""

from __future__ import annotations

from typing import Any

from forebay.gateway.limits.book import Need
from forebay.gateway.limits.policy import LimitsPolicy
from forebay.gateway.several import prompts_in

# Routes whose answers hold no generated tokens.
_NO_OUTPUT = frozenset(
    {
        "/v1/classify",
        "/v1/detokenize",
        "/v1/embeddings",
        "/v1/messages/count_tokens",
        "/v1/rerank",
        "/v1/score",
        "/v1/tokenize",
    }
)
_LONGEST = ("max_completion_tokens", "max_tokens", "max_output_tokens")
# What a chat template puts around the messages.
_TEMPLATE_TOKENS = 16


def need_of(
    fields: dict[str, Any], body_bytes: int, endpoint: str, context_tokens: int | None, policy: LimitsPolicy
) -> Need:
    """Prompt by its bytes, answer by `max_tokens`, or by the configured default where the call states none.

    No prompt is longer than the model's context: an image of a megabyte is not taken for a book.
    """
    prompts = prompts_in(fields.get("prompt"))
    context = context_tokens or 10**9
    prompt = min(int(body_bytes / policy.prompt_bytes_per_token) + _TEMPLATE_TOKENS, context * prompts)
    if endpoint in _NO_OUTPUT:
        return Need(prompt, 0)
    longest = min(policy.default_output_tokens, context)
    for name in _LONGEST:
        if name in fields and type(fields[name]) is int:
            longest = fields[name]
            break
    return Need(prompt, longest * (fields.get("n") or 1) * prompts)
