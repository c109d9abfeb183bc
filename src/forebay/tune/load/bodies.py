"""Writes requests as bytes: completions, chat and responses, each in the words of its own route."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.load.images import data_url
from forebay.tune.load.target import PATHS, Target
from forebay.tune.load.workload import Workload


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What was said before in a session: the prompt and the answer of each turn."""

    said: str
    answered: str


class Bodies:
    """Makes the bytes of each request of one run."""

    def __init__(self, target: Target, workload: Workload) -> None:
        if target.path not in PATHS:
            raise UsageError(
                _("{path} is no route that can be measured").format(path=target.path),
                fix=_("Use {paths}").format(paths=", ".join(PATHS)),
            )
        if target.path == "/v1/completions":
            _refuse(workload, target.path)
        self._target, self._load = target, workload
        self._head = _head(target)
        self._common: dict[str, Any] = {"stream": True} if workload.stream else {}
        if target.path != "/v1/responses":
            self._common["temperature"] = 0
            if workload.stream:
                self._common["stream_options"] = {"include_usage": True}
            if workload.ignore_eos:
                self._common["ignore_eos"] = True
        self._common |= workload.extra

    def request(
        self, number: int, prompt: str, most_tokens: int, before: tuple[Turn, ...] = (), system: str = ""
    ) -> bytes:
        """Head and body, ready to be written."""
        adapters = self._load.adapters
        model = adapters[number % len(adapters)] if adapters else self._target.model
        if self._target.path == "/v1/completions":
            text = "".join(f"{turn.said}{turn.answered} " for turn in before) + prompt
            own: dict[str, Any] = {"prompt": text, "max_tokens": most_tokens}
        elif self._target.path == "/v1/chat/completions":
            own = {"messages": self._messages(number, prompt, before, system), "max_tokens": most_tokens}
        else:
            own = {"input": self._messages(number, prompt, before, system), "max_output_tokens": most_tokens}
        body = orjson.dumps({"model": model, **own, **self._common})
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def _messages(self, number: int, prompt: str, before: tuple[Turn, ...], system: str) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        if system:
            said.append({"role": "system", "content": _spelt(system, number % self._load.shared_spellings)})
        for turn in before:
            said += [{"role": "user", "content": turn.said}, {"role": "assistant", "content": turn.answered}]
        return [*said, {"role": "user", "content": self._content(number, prompt)}]

    def _content(self, number: int, prompt: str) -> Any:
        pictures = self._load.images
        if pictures is None:
            return prompt
        urls = [
            data_url(number * pictures.count + index, pictures.width, pictures.height)
            for index in range(pictures.count)
        ]
        if self._target.path == "/v1/responses":
            shown = [{"type": "input_image", "image_url": url} for url in urls]
            return [*shown, {"type": "input_text", "text": prompt}]
        return [*({"type": "image_url", "image_url": {"url": url}} for url in urls), {"type": "text", "text": prompt}]


def _refuse(load: Workload, path: str) -> None:
    fix = _("Use /v1/chat/completions")
    if load.images is not None:
        raise UsageError(_("{path} takes no images").format(path=path), fix=fix)
    if load.shared_spellings > 1:
        raise UsageError(_("{path} has no system prompt").format(path=path), fix=fix)


def _spelt(text: str, spelling: int) -> str:
    """The same words; so many spaces stand at the end of the first line."""
    first, _space, others = text.partition(" ")
    return f"{first}{' ' * spelling}\n{others}"


def _head(target: Target) -> bytes:
    """All of the head but the number behind `content-length: `."""
    address = urlsplit(target.url)
    key = f"authorization: Bearer {target.key}\r\n" if target.key else ""
    return (
        f"POST {address.path.rstrip('/')}{target.path} HTTP/1.1\r\nhost: {address.netloc}\r\n{key}"
        "content-type: application/json\r\naccept: */*\r\ncontent-length: "
    ).encode()
