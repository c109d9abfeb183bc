"""An engine's refusal, made into one of ours: the client learns what is wrong with its request and nothing else."""

from __future__ import annotations

from forebay.gateway.answer import WholeAnswer
from forebay.gateway.refusal import Refusal
from forebay.wire.engine_error import engine_says

_BUSY = {408, 429}
# 413 where a prompt is too long, 422 where a body is not what it should be: all the same to a client.
_REQUESTS_FAULT = {400, 409, 413, 415, 422}
_LONGEST_WAIT_S = 600


def refusal_of(answer: WholeAnswer, model: str, endpoint: str) -> Refusal:
    """What a client is told of an answer of status 400 and above."""
    status, wait_s = answer.status, retry_after_s(answer.retry_after)
    if status >= 500:
        return Refusal("engine_error", "The engine failed on this request.", retry_after_s=wait_s)
    said = engine_says(answer.body)
    if status in _BUSY:
        return Refusal("engine_busy", "The engine takes no more calls now.", retry_after_s=wait_s or 1)
    if status in {404, 405} and not said.known:
        message = f"No engine of the model {model!r} serves {endpoint}."
        return Refusal("not_supported", message, param="model")
    if status in _REQUESTS_FAULT or status == 404:
        code = "context_exceeded" if "context length" in said.message else "engine_refused"
        return Refusal(code, said.message, param=said.param, retry_after_s=wait_s)
    # 401 and 403 above all: it is our credential that the engine does not like, not the client's.
    return Refusal("engine_error", "The engine failed on this request.")


def retry_after_s(said: bytes) -> int:
    """Seconds that an engine asks to wait, bounded; 0 where it names none. A date is no number that clocks agree on."""
    return min(int(said), _LONGEST_WAIT_S) if said.isdigit() and len(said) < 6 else 0
