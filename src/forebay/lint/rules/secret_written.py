"""Secrets written where commands and files can be read."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SHORTEST = 10


@engine_rules.add("secret_written")
def secret_written(served: Served) -> Iterator[Finding]:
    """Tokens in a command line show in every process list, those in a file in every copy of it."""
    if served.owned:
        return  # vllm_flags refuses them
    token = served.args.get("hf-token")
    if isinstance(token, str) and token:
        why = _("--hf-token shows the token to every user of the machine")
        yield served.finding("secret_written", "warning", "hf-token", why, _("Hand it in as a secret file, or log in"))
    for name in _TOKENS:
        value = served.env.get(name, "")
        if value.startswith("hf_") and len(value) > _SHORTEST:
            why = _("{name} is written out").format(name=name)
            yield served.finding("secret_written", "warning", f"env.{name}", why, _("Take it from a secret"))
