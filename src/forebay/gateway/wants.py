"""What routing needs to know of a call, out of its head and body; and what it learns of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forebay.gateway.routing import Needs
from forebay.gateway.routing.want import Want, blocks_of, digest64, tokens_of

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.fleet import EngineSlot
    from forebay.gateway.routing.choice import Group
    from forebay.gateway.screen import Asked
    from forebay.wire.request import RequestHead

_SESSION_CHARACTERS = 256
# As plain numbers, see choice.plan_of.
_TOKENS, _BLOCKS, _SESSION = int(Needs.TOKENS), int(Needs.BLOCKS), int(Needs.SESSION)
_TIMES, _ADAPTER, _SPLIT = int(Needs.TIMES), int(Needs.ADAPTER), int(Needs.SPLIT)


def want_of(group: Group[EngineSlot], call: Call, asked: Asked) -> Want:
    """Work out what the policies of `group` need, and nothing else."""
    needs, ledger, fields = group.plan.needs, call.ledger, asked.fields
    wanted = needs & (_SESSION | _SPLIT) and asked.session
    session = digest64(ledger.tenant, asked.session) if wanted else -1
    return Want(
        tokens=tokens_of(asked.body, fields) if needs & _TOKENS else 0,
        blocks=blocks_of(fields, _salt(group, call, asked)) if needs & _BLOCKS else (),
        session=session if needs & _SESSION else -1,
        adapter=asked.model.name if needs & _ADAPTER and asked.model.adapter_of is not None else "",
        split=_split_of(call, session) if needs & _SPLIT else -1,
        timed=bool(needs & _TIMES),
    )


def session_of(head: RequestHead, fields: dict[str, Any]) -> str:
    """Whose calls belong together: the header `x-session-id`, else OpenAI's `prompt_cache_key`, else its `user`."""
    if head.session:
        return head.session[:_SESSION_CHARACTERS].decode("latin-1")
    named = fields.get("prompt_cache_key") or fields.get("user")
    return named[:_SESSION_CHARACTERS] if type(named) is str else ""


def subject_of(fields: dict[str, Any]) -> str:
    """The person that a call is for, as OpenAI's API names them, or as Anthropic's does in `metadata`."""
    named = fields.get("safety_identifier") or fields.get("user")
    if not named and type(about := fields.get("metadata")) is dict:
        named = about.get("user_id")
    return named if type(named) is str else ""


def _salt(group: Group[EngineSlot], call: Call, asked: Asked) -> str:
    """What parts an engine's cache: adapters, and tenants where the gateway salts it."""
    return f"{asked.model.name}\0{call.ledger.tenant if group.salted else ''}"


def learn(call: Call, engine: EngineSlot) -> None:
    """Compare what was thought to be in the engine's cache with what it says was."""
    ledger = call.ledger
    engine.prefixes.learn(call.want.expected, ledger.cached_tokens / max(1, ledger.input_tokens))


def _split_of(call: Call, session: int) -> int:
    """Where the header `x-split-by` asks for it, the same request id or session always goes the same way."""
    asked_by = call.head.split_by
    if asked_by == b"request-id":
        return digest64(call.ledger.request_id)
    return session if asked_by == b"session" else -1
