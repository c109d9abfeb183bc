"""Who gets in: calls without a key, to places that are none, and with nonsense in them."""

from __future__ import annotations

import secrets

from forebay.core.errors import RunError
from forebay.messages import _
from forebay.ops.compliance.ask import ask
from forebay.ops.compliance.run import Outcome, Subject, failed, no_key, not_running, passed, probes

_CHAT = "/v1/chat/completions"
_JSON = {"content-type": "application/json"}
_INSIDE = (
    "/metrics",
    "/docs",
    "/collective_rpc",
    "/sleep",
    "/reset_prefix_cache",
    "/v1/load_lora_adapter",
    "/invocations",
)


@probes.add("calls_need_a_key")
def calls_need_a_key(subject: Subject) -> Outcome:
    """Without a key, and with one that nobody was given, nothing is answered."""
    if subject.running is None:
        return not_running()
    seen = []
    made_up = {"authorization": f"Bearer fb_{secrets.token_hex(8)}"}
    for name, headers in (("no key", {}), ("a made-up key", made_up)):
        answer = ask(subject.running.url, _CHAT, body=b'{"model":"m","messages":[]}', headers={**_JSON, **headers})
        seen.append(f"{name}: {answer.status}")
    if all(each.endswith(" 401") for each in seen):
        return passed(_("a call without a valid key is refused"), *seen)
    return failed(_("a call without a valid key is answered"), *seen, fix=_("Tell us: this must not be"))


@probes.add("inner_routes_closed")
def inner_routes_closed(subject: Subject) -> Outcome:
    """What engines offer beside inference is out of reach of clients."""
    if subject.running is None:
        return not_running()
    seen = [(path, ask(subject.running.url, path).status) for path in _INSIDE]
    evidence = tuple(f"{path}: {status}" for path, status in seen)
    if all(status in (401, 404) for _path, status in seen):
        return passed(_("no inner route of an engine is reached"), *evidence)
    return failed(_("an inner route of an engine is reached"), *evidence)


@probes.add("input_checked")
def input_checked(subject: Subject) -> Outcome:
    """What is no proper request is refused, with a reason, and breaks nothing."""
    if subject.running is None:
        return not_running()
    if subject.key is None:
        return no_key()
    bodies = (("no JSON", b"{"), ("no UTF-8", b'{"model":"\xff"}'), ("NaN", b'{"temperature":NaN}'))
    seen = [
        (name, ask(subject.running.url, _CHAT, body=body, headers=subject.call_headers()).status)
        for name, body in bodies
    ]
    evidence = tuple(f"{name}: {status}" for name, status in seen)
    if all(status in (400, 422) for _name, status in seen):
        return passed(_("malformed requests are refused"), *evidence)
    return failed(_("a malformed request is not refused"), *evidence)


@probes.add("admin_guarded")
def admin_guarded(subject: Subject) -> Outcome:
    """The admin port shows nothing to whoever has no administrator's key, or cannot be reached from outside."""
    if subject.running is None:
        return not_running()
    bound = subject.loaded.config.admin.bind
    try:
        status = ask(subject.running.admin_url, "/v1/keys").status
    except RunError:
        return passed(_("the admin port does not answer strangers"), f"admin.bind: {bound}")
    evidence = f"GET {subject.running.admin_url}/v1/keys: {status}"
    if status in (401, 403, 404):
        return passed(_("the admin port shows nothing without a key"), evidence, f"admin.bind: {bound}")
    return failed(_("the admin port answers without a key"), evidence, f"admin.bind: {bound}")
