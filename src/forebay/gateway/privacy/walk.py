"""Every text in a JSON value, without the values that a policy keeps from it. Changes what it is given."""

from __future__ import annotations

from typing import Any

from forebay.privacy.budget import Budget
from forebay.privacy.detector import Detector
from forebay.privacy.redact import redact
from forebay.privacy.replace import Blocked, Replacer

JSON_TEXT = frozenset({"arguments", "partial_json"})
"""Members whose text is JSON again."""

TOKENS = ("logprobs", "token_ids", "output_token_logprobs")
"""Members that tell an answer's text once more, token by token: they go where the text beside them has changed."""

UNREAD = frozenset({"usage", *TOKENS, "prompt_logprobs", "prompt_token_ids"})
"""Members that hold no text, or none but what stands beside them."""

_SHORTEST_KEY, _SMALLEST_NUMBER = 6, 10**6
_KNOWN_KEYS: set[str] = set()
_MOST_KNOWN_KEYS = 4_096


class Walk:
    """Goes over one value. `numbers`: whole numbers may be telephone numbers, too, and become text then.

    `budget` is what all texts of a request share; without one each text has its own, as it has in a stream.
    """

    __slots__ = ("_budget", "_detector", "_numbers", "_replacer")

    def __init__(
        self, detector: Detector, replacer: Replacer, *, numbers: bool = False, budget: Budget | None = None
    ) -> None:
        self._budget = budget
        self._detector = detector
        self._replacer = replacer
        self._numbers = numbers

    def over(self, value: dict[str, Any] | list[Any]) -> bool:
        """Whether anything in it was changed. Raises Blocked."""
        return self._object(value) if isinstance(value, dict) else self._list(value)

    def text(self, text: str, *, is_json: bool = False) -> str:
        """One text."""
        return redact(text, self._detector, self._replacer, is_json=is_json, budget=self._budget)

    def _object(self, fields: dict[str, Any]) -> bool:
        changed = False
        for key, value in fields.items():
            if key in UNREAD or (type(value) is str and is_image(key, value, fields)):
                continue
            self._check_key(key)
            changed |= self._member(fields, key, value)
        if changed:
            for name in TOKENS:
                if fields.get(name) is not None:
                    fields[name] = [] if name == "logprobs" and type(fields[name]) is list else None
        return changed

    def _list(self, values: list[Any]) -> bool:
        changed = False
        for index, value in enumerate(values):
            changed |= self._member(values, index, value)
        return changed

    def _member(self, where: Any, at: Any, value: Any) -> bool:
        kind = type(value)
        if kind is str:
            text = self.text(value, is_json=at in JSON_TEXT)
        elif kind is dict:
            return self._object(value)
        elif kind is list:
            return self._list(value)
        elif kind is int and self._numbers and abs(value) >= _SMALLEST_NUMBER:
            value = str(value)
            text = self.text(value)
        else:
            return False
        if text == value:
            return False
        where[at] = text
        return True

    def _check_key(self, key: str) -> None:
        """A key cannot be replaced: what looks for it would not find it."""
        if len(key) < _SHORTEST_KEY or key in _KNOWN_KEYS:
            return
        if self.text(key) != key:
            raise Blocked("key")
        if len(_KNOWN_KEYS) < _MOST_KNOWN_KEYS and not self._detector.passes(key):
            _KNOWN_KEYS.add(key)


def is_image(key: str, value: str, fields: dict[str, Any]) -> bool:
    """Whether a text is an image, as `privacy.unreadable` has let it pass, or has had it read."""
    return (key in {"url", "image_url"} and value.startswith("data:image/")) or (
        key == "data" and fields.get("type") == "base64"
    )
