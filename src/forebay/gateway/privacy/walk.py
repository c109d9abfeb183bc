"""Every text in a JSON value, without the values that a policy keeps from it. Changes what it is given."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from forebay.gateway.privacy.turns import at_once
from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.redact import redaction
from forebay.privacy.replace import Blocked, Replacer

JSON_TEXT = frozenset({"arguments", "partial_json"})
"""Members whose text is JSON again."""

TOKENS = ("logprobs", "token_ids", "output_token_logprobs")
"""Members that tell an answer's text once more, token by token: they go where the text beside them has changed."""

UNREAD = frozenset({"usage", *TOKENS, "prompt_logprobs", "prompt_token_ids"})
"""Members that hold no text, or none but what stands beside them; a text that stands there is one all the same."""

FREE = frozenset({"input", "metadata", "parameters", "input_schema", "schema", "guided_json", "chat_template_kwargs"})
"""Objects of the client's or the model's own: below them a name is not the protocol's, whatever it is called."""

_SHORTEST_KEY, _SMALLEST_NUMBER = 6, 10**6
_MOST_KNOWN_KEYS, _LONGEST_KNOWN_KEY = 4_096, 64
_STEP_MEMBERS = 256


Steps = Generator[None, None, bool]
"""Whether anything was changed; between its steps others may be served."""


class Walk:
    """Goes over one value. `numbers`: whole numbers may be telephone numbers, too, and become text then; `own_numbers`:
    those in objects that are nobody's protocol, as a tool gets them.

    `budget` is what all texts of a request share; without one each text has its own, as it has in a stream. `unread`
    are members whose inside is not looked at: in a request there are none, since all of it goes to an engine.
    """

    __slots__ = ("_budget", "_detector", "_members", "_numbers", "_own_numbers", "_replacer", "_unread")

    def __init__(
        self,
        detector: Detector,
        replacer: Replacer,
        *,
        numbers: bool = False,
        own_numbers: bool = False,
        budget: Budget | None = None,
        unread: frozenset[str] = UNREAD,
    ) -> None:
        self._budget = budget
        self._detector = detector
        self._members = 0
        self._replacer = replacer
        self._numbers = numbers
        self._own_numbers = numbers or own_numbers
        self._unread = unread

    def over(self, value: dict[str, Any] | list[Any], *, at: str = "") -> bool:
        """Whether anything in it was changed; `at` is the member that it is of a request. Raises Blocked."""
        return at_once(self.steps(value, at=at))

    def text(self, text: str) -> str:
        """One text. Raises Blocked."""
        return at_once(self.text_steps(text))

    def steps(self, value: dict[str, Any] | list[Any], *, at: str = "") -> Steps:
        """`over`, a text or a piece of a long one at a time, and a bounded number of members without one."""
        if isinstance(value, dict):
            return self._object(value, free=at in FREE)
        return self._list(value, free=False)

    def text_steps(self, text: str, *, is_json: bool = False) -> Generator[None, None, str]:
        """`text`, a piece at a time."""
        return redaction(text, self._detector, self._replacer, is_json=is_json, budget=self._budget)

    def _object(self, fields: dict[str, Any], *, free: bool) -> Steps:
        changed = False
        for key, value in fields.items():
            if self._is_step():
                yield
            if not free and (is_image(key, value, fields) if type(value) is str else key in self._unread):
                continue
            yield from self._check_key(key)
            changed |= yield from self._member(fields, key, value, free=free)
        if changed and not free:
            for name in TOKENS:
                if fields.get(name) is not None:
                    fields[name] = [] if name == "logprobs" and type(fields[name]) is list else None
        return changed

    def _list(self, values: list[Any], *, free: bool) -> Steps:
        changed = False
        for index, value in enumerate(values):
            if self._is_step():
                yield
            changed |= yield from self._member(values, index, value, free=free)
        return changed

    def _is_step(self) -> bool:
        """Whether others may be served before the next member; of all lists together, since each may be short."""
        self._members += 1
        return not self._members % _STEP_MEMBERS

    def _member(self, where: Any, at: Any, value: Any, *, free: bool) -> Steps:
        kind = type(value)
        if kind is str:
            text = yield from self.text_steps(value, is_json=at in JSON_TEXT)
        elif kind is dict:
            return (yield from self._object(value, free=free or at in FREE))
        elif kind is list:
            return (yield from self._list(value, free=free))
        elif kind is int and (self._own_numbers if free else self._numbers) and abs(value) >= _SMALLEST_NUMBER:
            value = str(value)
            text = yield from self.text_steps(value)
        else:
            return False
        yield
        if text == value:
            return False
        where[at] = text
        return True

    def _check_key(self, key: str) -> Generator[None, None, None]:
        """A key cannot be replaced: what looks for it would not find it."""
        known = self._detector.known_keys
        if len(key) < _SHORTEST_KEY or key in known:
            return
        if (yield from self.text_steps(key)) != key:
            raise Blocked("key")
        if len(known) < _MOST_KNOWN_KEYS and len(key) <= _LONGEST_KNOWN_KEY and not self._detector.passes(key):
            known.add(key)
        yield


def is_image(key: str, value: str, fields: dict[str, Any]) -> bool:
    """Whether a text is an image, as `privacy.unreadable` has let it pass, or has had it read."""
    return (key in {"url", "image_url"} and value.startswith("data:image/")) or (
        key == "data" and fields.get("type") == "base64"
    )
