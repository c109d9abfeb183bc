"""Known questions: read from JSON lines, asked at one worker several at a time."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _

_PATHS = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}


class Question(msgspec.Struct, frozen=True):
    """One call to make; `line` is where it stands in the file, from 1."""

    line: int
    path: str
    body: bytes


class Outcome(msgspec.Struct, frozen=True):
    """What became of a question. `not_reusable`: it was answered, but nothing is kept of such calls."""

    line: int
    result: Literal["computed", "already_there", "not_reusable", "failed"]
    reason: str = ""


def read_questions(file: Path, model: str) -> list[Question]:
    """The questions of `file`: a call's body a line, or `{"question": …}` for one user message at temperature 0.

    Raises UsageError with the first line that is neither.
    """
    lines = file.read_text("utf-8").splitlines()
    return [_question(number, line, file, model) for number, line in enumerate(lines, 1) if line.strip()]


def warm_all(
    worker: tuple[str, int], headers: dict[str, str], questions: list[Question], at_once: int, timeout_s: float
) -> Iterator[Outcome]:
    """Ask every question, `at_once` at a time; yields what became of each, in the order of the file."""

    def ask(question: Question) -> Outcome:
        connection = http.client.HTTPConnection(*worker, timeout=timeout_s)
        try:
            connection.request("POST", question.path, question.body, headers)
            answer = connection.getresponse()
            return _outcome(question, answer, answer.read())
        except (OSError, http.client.HTTPException) as error:
            return Outcome(question.line, "failed", str(error) or type(error).__name__)
        finally:
            connection.close()

    with ThreadPoolExecutor(at_once) as pool:
        yield from pool.map(ask, questions)


def _question(number: int, line: str, file: Path, model: str) -> Question:
    try:
        fields: Any = json.loads(line)
    except ValueError:
        fields = None
    if isinstance(fields, dict) and isinstance(fields.get("question"), str):
        message = {"role": "user", "content": fields.pop("question")}
        fields = {"temperature": 0, **fields, "messages": [message]}
    path = next((path for name, path in _PATHS.items() if isinstance(fields, dict) and name in fields), None)
    if path is None:
        raise UsageError(
            _("this line is no question"),
            where=f"{file}:{number}",
            fix=_('Write a JSON object with "question", "messages" or "prompt"'),
        )
    fields = {"model": model, **fields}
    fields.pop("stream", None)  # the form of an answer is no part of it
    return Question(number, path, json.dumps(fields).encode())


def _outcome(question: Question, answer: http.client.HTTPResponse, body: bytes) -> Outcome:
    if answer.status != 200:
        return Outcome(question.line, "failed", _reason(answer.status, body))
    origin = answer.headers.get("x-forebay-cache")
    if origin is None:
        return Outcome(question.line, "not_reusable")
    return Outcome(question.line, "already_there" if origin == "hit" else "computed")


def _reason(status: int, body: bytes) -> str:
    try:
        return f"{status} {json.loads(body)['error']['code']}"
    except (ValueError, KeyError, TypeError):
        return str(status)
