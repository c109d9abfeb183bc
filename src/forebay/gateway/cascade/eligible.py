"""Which calls the first model may answer, and what it is asked. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.cascade.policy import CascadePolicy
from forebay.gateway.reuse.prepare import prepare
from forebay.gateway.screen import Asked
from forebay.gateway.snapshot import ModelRef
from forebay.gateway.support import NOBODY, Offer
from forebay.wire.openai import BadField, check_fields

if TYPE_CHECKING:
    from forebay.gateway.call import Ledger

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
ROUTES = frozenset({CHAT, COMPLETIONS})
# Token ids mean something else to another model; several answers, tools and log-probabilities are asked of the model
# itself; what a grammar of vLLM's own makes cannot be checked here.
_NEUTRAL: dict[str, tuple[object, ...]] = {
    "best_of": (1,),
    "echo": (False,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "n": (1,),
    "prompt_logprobs": (),
    "return_token_ids": (False,),
    "stop_token_ids": ([],),
    "structured_outputs": (),
    "suffix": ("",),
    "tools": ([],),
    "top_logprobs": (0,),
    "use_beam_search": (False,),
}
_TRANSPORT = frozenset({"stream", "stream_options"})
_LONGEST = ("max_completion_tokens", "max_tokens")


def may_cascade(fields: dict[str, Any], endpoint: str, policy: CascadePolicy) -> bool:
    """Whether a call is of a kind that the first model may answer, and that leaves something to judge it by."""
    if endpoint == COMPLETIONS:
        if type(fields["prompt"]) is not str or fields.get("logprobs") is not None:  # here 0 asks for them
            return False
    elif endpoint != CHAT:
        return False
    bounds = policy.bounds
    judged = bounds.mean_logprob is not None or bounds.self_check is not None
    if not judged and not (policy.valid_json and wants_json(fields)):
        return False
    return all(value is None or value in _NEUTRAL[name] for name, value in fields.items() if name in _NEUTRAL)


def wants_json(fields: dict[str, Any]) -> bool:
    """Whether the answer shall be JSON."""
    wanted = fields.get("response_format")
    return type(wanted) is dict and wanted.get("type") in {"json_object", "json_schema"}


def first_asked(asked: Asked, model: ModelRef, offer: Offer | None, policy: CascadePolicy) -> Asked | None:
    """The call as the first model gets it: whole, with log-probabilities where they count; None where it cannot."""
    fields = {name: value for name, value in asked.fields.items() if name not in _TRANSPORT}
    fields["model"] = model.name
    if policy.bounds.mean_logprob is not None:
        fields["logprobs"] = True if asked.route.endpoint == CHAT else 1
    return asked_of(asked, model, offer, fields)


def prepared(asked: Asked, ledger: Ledger, pepper: str) -> Asked:
    """The call as its model's own policy shapes requests: above all, the salt that keeps tenants' prefixes apart."""
    policy = asked.model.prepare
    if policy is None:
        return asked
    if policy.shapes:  # it changes messages in place, and they are the other model's too
        asked = msgspec.structs.replace(asked, fields=orjson.loads(asked.body))
    return prepare(asked, ledger, pepper)


def whole_asked(asked: Asked) -> Asked:
    """The call as it came, for a whole answer."""
    fields = {name: value for name, value in asked.fields.items() if name not in _TRANSPORT}
    return msgspec.structs.replace(asked, fields=fields, body=orjson.dumps(fields), stream=False, recorded=False)


def asked_of(asked: Asked, model: ModelRef, offer: Offer | None, fields: dict[str, Any]) -> Asked | None:
    """A call of `fields` to `model`; None where no engine of it takes them or they exceed its context."""
    limit = model.context_tokens
    if offer is None or (limit is not None and any((fields.get(name) or 0) > limit for name in _LONGEST)):
        return None
    try:
        check_fields(fields, offer.shape)
        unable = offer.unable_for(fields) if offer.is_partial else NOBODY
    except BadField:
        return None
    unable |= asked.unable  # engines of other models, too, where the tenant is bound to a region
    return Asked(
        model,
        False,
        False,
        orjson.dumps(fields),
        fields,
        asked.route,
        unable,
        session=asked.session,
        region=asked.region,
    )
