"""What the first model is asked about its own answer, and how sure of it it is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forebay.gateway.cascade.eligible import CHAT, asked_of
from forebay.gateway.cascade.verdict import shown_by, yes_probability

if TYPE_CHECKING:
    from forebay.gateway.screen import Asked
    from forebay.gateway.support import Offer

_QUESTION = "Is the answer above correct and complete? Reply with one word: Yes or No."
# Enough that both words are among them where the model means either.
_CANDIDATES = 10
_CARRIED = ("chat_template_kwargs", "model")


def check_asked(first: Asked, text: str, offer: Offer | None) -> Asked | None:
    """The call that asks whether `text` is a good answer to `first`; None where no engine takes it.

    Its prompt begins with that of the call, so that an engine's prefix cache has all of it but the question.
    """
    fields: dict[str, Any] = {name: first.fields[name] for name in _CARRIED if first.fields.get(name) is not None}
    fields |= {"max_tokens": 1, "temperature": 0}
    if first.route.endpoint == CHAT:
        said = [{"role": "assistant", "content": text}, {"role": "user", "content": _QUESTION}]
        fields |= {"messages": [*first.fields["messages"], *said], "logprobs": True, "top_logprobs": _CANDIDATES}
    else:
        prompt = f"{first.fields['prompt']}{text}\n\n{_QUESTION}\nReply:"
        fields |= {"prompt": prompt, "logprobs": _CANDIDATES}
    return asked_of(first, first.model, offer, fields)


def sureness(body: bytes) -> float | None:
    """The probability of yes in the answer to `check_asked`; None where it says neither yes nor no."""
    shown = shown_by(body)
    return None if shown is None else yes_probability(shown.odds)
