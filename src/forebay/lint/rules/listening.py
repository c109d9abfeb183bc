"""An engine that anyone on the network can use."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@engine_rules.add("listening")
def listening(served: Served) -> Iterator[Finding]:
    """Without --host vLLM listens on every address, in clear text; its own key guards only some routes."""
    if served.owned or "uds" in served.args or served.is_on("headless"):
        return
    host = str(served.args.get("host") or "")
    inside = served.container is not None and not served.container.published
    outside = host not in _LOOPBACK and not inside
    key = served.args.get("api-key") or served.env.get("VLLM_API_KEY")
    if outside and not served.args.get("ssl-keyfile"):
        why = _("the engine listens on {host} without TLS") if key else _("{host}: no TLS, and no key is asked for")
        fix = _("Set --host 127.0.0.1 and let clients use a gateway with TLS and keys")
        yield served.finding("listening", "warning", "host", why.format(host=host or _("every address")), fix)
    elif outside and not key:
        why = _("the engine listens on {host} and asks for no key").format(host=host or _("every address"))
        yield served.finding("listening", "warning", "host", why, _("Put a gateway before it that checks keys"))
    if served.args.get("api-key"):
        why = _("--api-key guards only /v1 and a few routes more, and every user of the machine can read it")
        fix = _("Check keys at a gateway, and keep the engine on 127.0.0.1")
        yield served.finding("listening", "warning", "api-key", why, fix)
