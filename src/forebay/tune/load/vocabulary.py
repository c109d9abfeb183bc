"""Learns, from the engine's own counts, words that are one token each, so that prompts have the length asked for."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from forebay.messages import _
from forebay.tune.load.answers import EVENT, error_code
from forebay.tune.load.ask import TIMEOUT_S, post
from forebay.tune.load.bodies import Bodies
from forebay.tune.load.errors import Unreachable
from forebay.tune.load.prompts import Vocabulary
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Workload

# Short and common, so that nearly every tokenizer has each of them, with the space before it, as one token.
_WORDS = """
the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one
you were all her she there would their we him been has when who will no more if out so up said what its about than
into them can only other time new some could these two may first then do any like my now over such our man me even
most made after also did many off before must well back through years much where your way down should because long
each just state those people too little good world very still men own see work life both under last never day same
another know while year house here water part school small place right great high city night point home room
government white hand group set number line against open system family
"""
_KINDS = tuple(_WORDS.split())
_FEW = 16
_LEAST_WORDS = 24
_REFUSED = {401, 403}
_LEAST_WAIT_S = 30.0
"""An engine's first answer may take longer than those of a load: what it needs is put together then."""


def learn(target: Target, workload: Workload) -> Vocabulary:
    """Words and what they cost; raises Unreachable where the service would refuse every request of the load alike."""
    lengths = Bodies(target, msgspec.structs.replace(workload, stream=False))
    wait_s = min(TIMEOUT_S, max(_LEAST_WAIT_S, workload.timeout_s))

    def by_usage(words: tuple[str, ...]) -> int | None:
        return _counted(target, lengths.request(0, " ".join(words), 1).partition(b"\r\n\r\n")[2], wait_s)

    # The first request is also the question whether anything answers there as it must.
    few = by_usage(_KINDS[:_FEW])
    by_tokenizer = _tokenizer(target, wait_s)
    count = by_tokenizer or by_usage
    words = _single(count, _KINDS) if few is not None or by_tokenizer is not None else _KINDS
    if len(words) < _LEAST_WORDS:
        words = _KINDS
    few, many = by_usage(words[:_FEW]), by_usage(words)
    if few is None or many is None or many <= few:
        return Vocabulary(words=words, tokens_per_word=1.0, overhead_tokens=0.0, exact=False, how="assumed")
    per_word = (many - few) / (len(words) - _FEW)
    exact = per_word == 1.0
    how = "tokenizer" if by_tokenizer is not None else "usage"
    overhead = float(few) - _FEW * per_word
    return Vocabulary(words=words, tokens_per_word=per_word, overhead_tokens=overhead, exact=exact, how=how)


def _counted(target: Target, body: bytes, wait_s: float) -> int | None:
    """The prompt tokens that the engine says it was asked with; None where it does not say."""
    try:
        status, answer = post(target, target.path, body, wait_s)
    except (OSError, http.client.HTTPException) as error:
        why = _("nothing answers there: {error}").format(error=error)
        raise Unreachable(why, where=target.url, fix=_("Start the service, or name another --url")) from error
    if status in _REFUSED:
        fix = _("Name a file with a key that it takes: --key-file")
        raise Unreachable(_("the key is refused ({status})").format(status=status), where=target.url, fix=fix)
    if status == 404:
        why = _("the service has no model {model!r}, or no route {path}").format(model=target.model, path=target.path)
        raise Unreachable(why, where=target.url, fix=_("Name another with --model or --path"))
    if 400 <= status < 500 and status not in {408, 429}:
        said = answer[:300].decode("utf-8", "replace")
        why = _("the service refuses what every request of this load asks: {status} {code}").format(
            status=status, code=error_code(answer)
        )
        raise Unreachable(f"{why}\n  {said}", where=f"{target.url}{target.path}")
    if status != 200:
        return None
    with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
        tokens = EVENT.decode(answer).tokens
        return None if tokens is None else tokens[0]
    return None


def _tokenizer(target: Target, wait_s: float) -> Callable[[tuple[str, ...]], int | None] | None:
    """Counts through a route of the engine for it, where it has one: vLLM's, ours, or llama.cpp's."""
    forms: tuple[tuple[str, Callable[[str], dict[str, Any]]], ...] = (
        ("/tokenize", lambda text: {"model": target.model, "prompt": text}),
        ("/v1/tokenize", lambda text: {"model": target.model, "prompt": text}),
        ("/tokenize", lambda text: {"content": text}),
    )
    for path, form in forms:

        def count(words: tuple[str, ...], path: str = path, form: Callable[[str], dict[str, Any]] = form) -> int | None:
            with contextlib.suppress(OSError, http.client.HTTPException, orjson.JSONDecodeError):
                status, answer = post(target, path, orjson.dumps(form(" ".join(words))), wait_s)
                found = orjson.loads(answer) if status == 200 else None
                if isinstance(found, dict) and isinstance(found.get("tokens"), list):
                    return len(found["tokens"]) or None
            return None

        if count(_KINDS[:2]):
            return count
    return None


def _single(count: Callable[[tuple[str, ...]], int | None], words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that are one token each, by halving: most tokenizers have them all, which takes two questions."""
    alone = count(("the",))
    if alone is None:
        return words

    def keep(part: tuple[str, ...]) -> tuple[str, ...]:
        total = count(("the", *part))
        if total is None or total - alone == len(part):
            return part
        if len(part) == 1:
            return ()
        half = len(part) // 2
        return keep(part[:half]) + keep(part[half:])

    return keep(words)
