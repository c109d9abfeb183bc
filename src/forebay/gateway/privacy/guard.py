"""The policy of one call: its request before an engine gets it, and the parts of its answer."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Generator, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from forebay.gateway.privacy.walk import Steps, Walk
from forebay.gateway.refusal import Refusal
from forebay.observe import catalogue
from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.plugin import BadPlugin
from forebay.privacy.policy import Actions, Plugin, Scope
from forebay.privacy.redact import redact_found, redaction
from forebay.privacy.replace import Blocked, Names, Replacer
from forebay.privacy.rules import Rules
from forebay.wire.openai.content import holds_image

if TYPE_CHECKING:
    from forebay.gateway.meter import Meter
    from forebay.gateway.screen import Asked
    from forebay.privacy.span import Span

# Numbers without text: nothing in them can be read, and base64 must not be touched.
_WITHOUT_TEXT = frozenset({"/v1/embeddings", "/v1/score", "/v1/tokenize"})
NOT_READ = frozenset({"model", "stream", "stream_options", "encoding_format", "seed"})
"""Fields that are names of forebay's own or switches, whatever their text."""

_SPOKEN = frozenset({"messages", "input", "tools"})
_NOTHING = frozenset[str]()
_UNREADABLE = "This holds an image or token ids, which cannot be searched for personal data; the policy refuses that."


class Guard:
    """One call's. `names` are its pseudonyms; they are turned back in its answer and forgotten with it.

    Of the operator's plug-ins, `finders` look at its request, `readers` at the images in that, and `unseen` have yet to
    look at its answer.
    """

    __slots__ = ("_meter", "_model", "_rules", "_scope", "_secret", "finders", "names", "output", "readers", "unseen")

    def __init__(self, scope: Scope, rules: Rules, secret: bytes, meter: Meter, asked: Asked) -> None:
        self._scope = scope
        self._rules = rules
        self._secret = secret
        self._meter = meter
        self._model = asked.model.name
        self.names = Names(asked.body.decode("utf-8", "replace") if b"_1>" in asked.body else "")
        self.output = self._replacer(scope.output)
        plugins = rules.policy.plugins
        self.finders = _busy(plugins, scope.input)
        self.readers = tuple(each for each in plugins if each.images) if scope.unreadable == "read" else ()
        self.unseen = _busy([each for each in plugins if each.answers], scope.output)

    @property
    def detector(self) -> Detector:
        """What looks at the answer."""
        return self._rules.with_names if self.names else self._rules.detector

    def ask(self, fields: dict[str, Any], endpoint: str) -> Steps:
        """Whether anything in a request was replaced. Raises Refusal for one that must not be asked."""
        scope = self._scope
        if scope.input.is_idle:
            return False
        if scope.unreadable != "allow" and _is_unreadable(fields, endpoint, images=not self.readers):
            raise unreadable()
        replacer = self._replacer(scope.input)
        budget = Budget(self._rules.policy.candidates)
        walk = Walk(self._rules.detector, replacer, numbers=True, budget=budget, unread=_NOTHING)
        plain = Walk(self._rules.detector, replacer, budget=budget, unread=_NOTHING)
        changed, name = False, ""
        try:
            for name, value in fields.items():
                yield
                if type(value) is str and name not in NOT_READ:
                    fields[name] = text = yield from plain.text_steps(value)
                    changed |= text is not value
                elif type(value) in {dict, list} and not _is_token_ids(value):
                    changed |= yield from (walk if name in _SPOKEN else plain).steps(value, at=name)
        except Blocked as blocked:
            raise refused(blocked.kind, name) from None
        except Exception as error:  # noqa: BLE001  whatever it was, what is not searched goes to no engine
            raise failed(error) from None
        finally:
            self.count(replacer, "input")
        return changed

    def whole(self, body: bytes, endpoint: str) -> Generator[None, None, bytes]:
        """A whole answer as its client gets it. Raises Refusal where it gets none."""
        if endpoint in _WITHOUT_TEXT or (self._scope.output.is_idle and not self.names):
            return body
        try:
            if self.unseen:  # on a way on which nobody has asked the plug-ins
                raise BadPlugin
            answer = orjson.loads(body)
            changed = yield from Walk(self.detector, self.output, own_numbers=True).steps(answer)
        except Blocked as blocked:
            raise withheld(blocked) from None
        except Exception as error:  # noqa: BLE001  whatever it was, what is not searched goes to no client
            raise failed(error) from None
        finally:
            self.count_output()
        return orjson.dumps(answer) if changed else body

    def worded(self, refusal: Refusal) -> Refusal:
        """An engine's refusal, whose message may hold what was asked."""
        try:
            message = Walk(self.detector, self.output).text(refusal.message)
        except Exception:  # noqa: BLE001  a value that is refused, or no search at all
            message = "The engine refuses this request."
        return Refusal(refusal.code, message, param=refusal.param, retry_after_s=refusal.retry_after_s)

    def replacer_of_request(self) -> Replacer:
        """What replaces values in the request."""
        return self._replacer(self._scope.input)

    def kept_from_engines(
        self, texts: list[str], found: list[list[Span]] | None = None
    ) -> Generator[None, None, str | None]:
        """A type in texts that may not stand in a request, by `found` or else by the recognisers. Raises Blocked."""
        replacer, budget = self.replacer_of_request(), Budget(self._rules.policy.candidates)
        for place, text in enumerate(texts):
            if found is None:
                yield from redaction(text, self._rules.detector, replacer, budget=budget)
                yield
            else:
                redact_found(text, found[place], replacer)
        return next((kind for kind, action in replacer.counts if action != "allow"), None)

    def count_output(self) -> None:
        """Tell the metrics what was found in the answer; once, at its end."""
        self.count(self.output, "output")

    def count(self, replacer: Replacer, direction: str) -> None:
        """Tell the metrics what was replaced."""
        for (kind, action), count in replacer.counts.items():
            self._meter.add(catalogue.PRIVACY, count, self._model, direction, kind, action)
        replacer.counts = {}

    def _replacer(self, actions: Any) -> Replacer:
        rules = self._rules
        return Replacer(actions, self._secret, self.names, rules.spared, rules.detector.endless)


def withheld(blocked: Blocked) -> Refusal:
    """What a client is told instead of an answer with something in it that the policy refuses."""
    return Refusal(
        "answer_withheld", f"The answer holds personal data or a secret ({blocked.kind}), which the policy refuses."
    )


def refused(kind: str, param: str | None = None) -> Refusal:
    """What a client is told that asked with something that the policy refuses."""
    message = f"This holds personal data or a secret ({kind}), which the policy refuses."
    return Refusal("personal_data_refused", message, param=param)


def unreadable() -> Refusal:
    """What a client is told whose request holds what nobody can read."""
    return Refusal("unreadable_content", _UNREADABLE)


def failed(error: Exception) -> Refusal:
    """Whether something was in a text is not known: it goes nowhere."""
    reason = type(error).__name__
    message = f"The text could not be searched for personal data ({reason}); nothing was sent."
    return Refusal("privacy_failed", message, retry_after_s=1)


def is_anyones(asked: Asked) -> bool:
    """Whether the answer may be given to an equal call: not if names stand in it for one caller's values."""
    return asked.guard is None or not asked.guard.names


@lru_cache(maxsize=1_024)
def secret_of(pepper: str, tenant: str) -> bytes:
    """Hashes of one tenant say nothing to another."""
    return hmac.new(pepper.encode(), f"privacy\0{tenant}".encode(), hashlib.sha256).digest()


def _busy(plugins: Iterable[Plugin], actions: Actions) -> tuple[Plugin, ...]:
    """Those that may find something with which something is done."""
    return tuple(each for each in plugins if any(actions.of(kind) != "allow" for kind in each.finds))


def _is_unreadable(fields: dict[str, Any], endpoint: str, *, images: bool) -> bool:
    """`images`: they count."""
    if endpoint == "/v1/detokenize":
        return False  # nothing is generated, and what it answers is read
    return (
        (images and (holds_image(fields.get("messages")) or holds_image(fields.get("input"))))
        or _holds_token_ids(fields.get("prompt"))
        or _holds_token_ids(fields.get("input"))
    )


def _holds_token_ids(value: object) -> bool:
    """A prompt of token ids, or a list of such prompts."""
    if type(value) is not list or not value:
        return False
    return any(type(each) is int or (type(each) is list and each and type(each[0]) is int) for each in value)


def _is_token_ids(value: Any) -> bool:
    """Whether there is no text in it: token ids alone, or lists of them."""
    if type(value) is not list:
        return False
    return all(type(each) is int for each in value) or all(
        type(each) is list and all(type(token) is int for token in each) for each in value
    )
