"""Secrets written where commands and files can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_SECRET = re.compile(r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY|SECRET_KEY|CREDENTIALS?)$")
_SHORTEST = 8


@engine_rules.add("secret_written")
def secret_written(served: Served) -> Iterator[Finding]:
    """Tokens in a command line show in every process list, those in a file in every copy of it."""
    token = served.args.get("hf-token")
    if isinstance(token, str) and token and not served.owned:  # vllm_flags refuses it in forebay.yaml
        why = _("--hf-token shows the token to every user of the machine")
        yield served.finding("secret_written", "warning", "hf-token", why, _("Hand it in as a secret file, or log in"))
    for name, value in served.env.items():
        # `$NAME` and `${NAME}` are read elsewhere.
        if _SECRET.search(name) and len(value) >= _SHORTEST and not value.startswith(("$", "/")):
            why = _("{name} is written out").format(name=name)
            fix = _("Leave it out: `hf auth login` stores a token where engines read it") if served.owned else ""
            yield served.finding("secret_written", "warning", f"env.{name}", why, fix or _("Take it from a secret"))
