"""A request made ready for its engine: bounds on its answer, a shorter history, a prefix that caches know again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.reuse.history import trimmed
from forebay.gateway.reuse.identity import CHAT
from forebay.gateway.reuse.policy import PreparePolicy
from forebay.gateway.reuse.salt import salt_of
from forebay.gateway.screen import Asked

if TYPE_CHECKING:
    from forebay.gateway.call import Ledger

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# Routes that generate text, by the name of the limit that is set where the client set none.
_LIMIT_OF = {
    "/v1/chat/completions": "max_tokens",
    "/v1/completions": "max_tokens",
    "/v1/responses": "max_output_tokens",
    "/v1/messages": "max_tokens",
}
_LINE_END = re.compile(r"[ \t]*\r?\n")
_BLANK_LINES = re.compile(r"\n{3,}")


def prepare(asked: Asked, ledger: Ledger, pepper: str) -> Asked:
    """`asked` as the model's policy wants it; whose call it is stands in the ledger, with whatever they came."""
    policy = asked.model.prepare
    if policy is None:
        return asked
    changes: dict[str, Any] = {}
    if policy.salt:
        changes["salt"] = salt_of(pepper, policy.salt, ledger.tenant if policy.salt == "tenant" else ledger.key_id)
    if policy.shapes and shape(asked.fields, asked.route.endpoint, policy):
        if (
            asked.stream and asked.route.usage_option
        ):  # as `screen` left it: it may have written this into the body alone
            asked.fields["stream_options"] = (asked.fields.get("stream_options") or {}) | {"include_usage": True}
        changes["body"] = orjson.dumps(asked.fields)
    return msgspec.structs.replace(asked, **changes) if changes else asked


def shape(fields: dict[str, Any], route: str, policy: PreparePolicy) -> bool:
    """Change `fields` as the policy says; returns whether anything was changed."""
    changed = _bound_answer(fields, route, policy)
    if route == CHAT:
        messages = fields["messages"]
        if policy.trim_system:
            changed |= _trim_system(messages)
        if policy.history_tokens is not None:
            shorter = trimmed(messages, policy.history_tokens)
            changed |= shorter is not messages
            fields["messages"] = shorter
    if policy.sort_tools and fields.get("tools"):
        changed |= _sort_tools(fields)
    return changed


def _bound_answer(fields: dict[str, Any], route: str, policy: PreparePolicy) -> bool:
    limit = policy.max_tokens_limit
    given = [name for name in _LIMITS if fields.get(name) is not None]
    if not given:
        default, name = policy.max_tokens_default or limit, _LIMIT_OF.get(route)
        if default is None or name is None:
            return False
        fields[name] = default if limit is None else min(default, limit)
        return True
    changed = False
    for name in given:
        if limit is not None and fields[name] > limit:
            fields[name] = limit
            changed = True
    if changed and (fields.get("min_tokens") or 0) > (limit or 0):
        fields["min_tokens"] = limit
    return changed


def _trim_system(messages: list[dict[str, Any]]) -> bool:
    changed = False
    for message in messages:
        text = message.get("content")
        if message.get("role") in {"system", "developer"} and type(text) is str:
            tidy = _BLANK_LINES.sub("\n\n", _LINE_END.sub("\n", text)).strip()
            if tidy != text:
                message["content"] = tidy
                changed = True
    return changed


def _sort_tools(fields: dict[str, Any]) -> bool:
    """Tools by name, their keys in order: two programs that offer the same tools send the same prefix."""
    tools = orjson.loads(orjson.dumps(fields["tools"], option=orjson.OPT_SORT_KEYS))
    tools.sort(key=_tool_name)
    changed: bool = orjson.dumps(tools) != orjson.dumps(fields["tools"])
    fields["tools"] = tools
    return changed


def _tool_name(tool: dict[str, Any]) -> str:
    function = tool.get("function")
    return str(function.get("name") if type(function) is dict else tool.get("name"))
