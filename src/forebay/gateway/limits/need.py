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
    # Written out rather than with `min`, which costs as much as all the rest: it is on every call.
    prompts = prompts_in(fields["prompt"]) if "prompt" in fields else 1
    prompt = int(body_bytes / policy.prompt_bytes_per_token) + _TEMPLATE_TOKENS
    if context_tokens and prompt > context_tokens * prompts:
        prompt = context_tokens * prompts
    if endpoint in _NO_OUTPUT:
        return Need(prompt, 0)
    for name in _LONGEST:
        if name in fields and type(longest := fields[name]) is int:
            break
    else:
        longest = policy.default_output_tokens
        if context_tokens and longest > context_tokens:
            longest = context_tokens
    answers = prompts * fields["n"] if fields.get("n") else prompts
    return Need(prompt, longest * answers)
