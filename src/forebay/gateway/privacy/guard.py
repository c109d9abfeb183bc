"""The policy of one call: its request before an engine gets it, and the parts of its answer."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.privacy.walk import Walk
from forebay.gateway.refusal import Refusal
from forebay.observe import catalogue
from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.policy import Scope
from forebay.privacy.replace import Blocked, Names, Replacer
from forebay.privacy.rules import Rules
from forebay.wire.openai.content import holds_image

if TYPE_CHECKING:
    from forebay.gateway.answer import WholeAnswer
    from forebay.gateway.meter import Meter
    from forebay.gateway.screen import Asked
    from forebay.gateway.view import View

# Numbers without text: nothing in them can be read, and base64 must not be touched.
_WITHOUT_TEXT = frozenset({"/v1/embeddings", "/v1/score", "/v1/tokenize"})
# Fields that are names of forebay's own or switches, whatever their text.
_NOT_READ = frozenset({"model", "stream", "stream_options", "encoding_format", "seed"})
_UNREADABLE = "This holds an image or token ids, which cannot be searched for personal data; the policy refuses that."


class Guard:
    """One call's. `names` are its pseudonyms; they are turned back in its answer and forgotten with it."""

    __slots__ = ("_meter", "_model", "_rules", "_scope", "_secret", "names", "output")

    def __init__(self, scope: Scope, rules: Rules, secret: bytes, meter: Meter, asked: Asked) -> None:
        self._scope = scope
        self._rules = rules
        self._secret = secret
        self._meter = meter
        self._model = asked.model.name
        self.names = Names(asked.body.decode("utf-8", "replace") if b"_1>" in asked.body else "")
        self.output = self._replacer(scope.output)

    @property
    def detector(self) -> Detector:
        """What looks at the answer."""
        return self._rules.with_names if self.names else self._rules.detector

    def ask(self, fields: dict[str, Any], endpoint: str) -> bool:
        """Whether anything in a request was replaced. Raises Refusal for one that must not be asked."""
        scope = self._scope
        if scope.input.is_idle:
            return False
        if scope.unreadable == "block" and _is_unreadable(fields, endpoint):
            raise Refusal("unreadable_content", _UNREADABLE)
        replacer = self._replacer(scope.input)
        budget = Budget(self._rules.policy.candidates)
        walk = Walk(self._rules.detector, replacer, numbers=True, budget=budget)
        plain = Walk(self._rules.detector, replacer, budget=budget)
        changed, name = False, ""
        try:
            for name, value in fields.items():
                if type(value) is str and name not in _NOT_READ:
                    fields[name] = text = plain.text(value)
                    changed |= text is not value
                elif type(value) in {dict, list} and not _holds_token_ids(value):
                    changed |= (walk if name in {"messages", "input", "tools"} else plain).over(value)
        except Blocked as blocked:
            message = f"This holds personal data or a secret ({blocked.kind}), which the policy refuses."
            raise Refusal("personal_data_refused", message, param=name) from None
        except Exception as error:  # noqa: BLE001  whatever it was, what is not searched goes to no engine
            raise failed(error) from None
        finally:
            self._count(replacer, "input")
        return changed

    def whole(self, body: bytes, endpoint: str) -> bytes:
        """A whole answer as its client gets it. Raises Refusal where it gets none."""
        if endpoint in _WITHOUT_TEXT or (self._scope.output.is_idle and not self.names):
            return body
        try:
            answer = orjson.loads(body)
            changed = Walk(self.detector, self.output).over(answer)
        except Blocked as blocked:
            raise withheld(blocked) from None
        except Exception as error:  # noqa: BLE001  whatever it was, what is not searched goes to no client
            raise failed(error) from None
        finally:
            self.count_output()
        return orjson.dumps(answer) if changed else body

    def searched(self, answer: WholeAnswer, endpoint: str) -> WholeAnswer:
        """An engine's whole answer as its client gets it. Raises Refusal."""
        return msgspec.structs.replace(answer, body=self.whole(answer.body, endpoint))

    def worded(self, refusal: Refusal) -> Refusal:
        """An engine's refusal, whose message may hold what was asked."""
        try:
            message = Walk(self.detector, self.output).text(refusal.message)
        except Exception:  # noqa: BLE001  a value that is refused, or no search at all
            message = "The engine refuses this request."
        return Refusal(refusal.code, message, param=refusal.param, retry_after_s=refusal.retry_after_s)

    def count_output(self) -> None:
        """Tell the metrics what was found in the answer; once, at its end."""
        self._count(self.output, "output")

    def _replacer(self, actions: Any) -> Replacer:
        rules = self._rules
        return Replacer(actions, self._secret, self.names, rules.spared, rules.detector.endless)

    def _count(self, replacer: Replacer, direction: str) -> None:
        for (kind, action), count in replacer.counts.items():
            self._meter.add(catalogue.PRIVACY, count, self._model, direction, kind, action)
        replacer.counts = {}


def withheld(blocked: Blocked) -> Refusal:
    """What a client is told instead of an answer with something in it that the policy refuses."""
    return Refusal(
        "answer_withheld", f"The answer holds personal data or a secret ({blocked.kind}), which the policy refuses."
    )


def failed(error: Exception) -> Refusal:
    """Whether something was in a text is not known: it goes nowhere."""
    reason = type(error).__name__
    return Refusal("privacy_failed", f"The text could not be searched for personal data ({reason}); nothing was sent.")


def screened(asked: Asked, tenant: str, view: View, rules: Rules, meter: Meter) -> Asked:
    """The call as engines get it, with the guard of its answer. Raises Refusal."""
    scope = rules.scope(tenant, asked.model.name)
    if scope is None:
        return asked
    guard = Guard(scope, rules, _secret(view.pepper, tenant), meter, asked)
    changes: dict[str, Any] = {}
    fields = asked.fields
    if guard.ask(fields, asked.route.endpoint):
        if asked.stream and asked.route.usage_option:  # `screen` may have written this into the body alone
            fields["stream_options"] = (fields.get("stream_options") or {}) | {"include_usage": True}
        changes["body"] = orjson.dumps(fields)
    if guard.names or not scope.output.is_idle:
        changes["guard"] = guard
    return msgspec.structs.replace(asked, **changes)


def is_anyones(asked: Asked) -> bool:
    """Whether the answer may be given to an equal call: not if names stand in it for one caller's values."""
    return asked.guard is None or not asked.guard.names


@lru_cache(maxsize=1_024)
def _secret(pepper: str, tenant: str) -> bytes:
    """Hashes of one tenant say nothing to another."""
    return hmac.new(pepper.encode(), f"privacy\0{tenant}".encode(), hashlib.sha256).digest()


def _is_unreadable(fields: dict[str, Any], endpoint: str) -> bool:
    if endpoint == "/v1/detokenize":
        return False  # nothing is generated, and what it answers is read
    return (
        holds_image(fields.get("messages"))
        or holds_image(fields.get("input"))
        or _holds_token_ids(fields.get("prompt"))
        or _holds_token_ids(fields.get("input"))
    )


def _holds_token_ids(value: object) -> bool:
    """A prompt of token ids, or a list of such prompts."""
    if type(value) is not list or not value:
        return False
    return any(type(each) is int or (type(each) is list and each and type(each[0]) is int) for each in value)
