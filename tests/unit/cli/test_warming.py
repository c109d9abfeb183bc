"""Known questions are read from lines, and asked at a worker that reuses answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forebay.cli.warming import read_questions
from forebay.core.errors import UsageError


def read(folder: Path, *lines: object) -> list[dict[str, Any]]:
    file = folder / "questions.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), "utf-8")
    return [{"line": each.line, "path": each.path, **json.loads(each.body)} for each in read_questions(file, "m")]


def test_a_line_is_a_call_or_a_question(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "hi"}]
    assert read(tmp_path, {"question": "hi"}, "", {"messages": messages, "stream": True}, {"prompt": "x"}) == [
        {"line": 1, "path": "/v1/chat/completions", "model": "m", "temperature": 0, "messages": messages},
        {"line": 3, "path": "/v1/chat/completions", "model": "m", "messages": messages},
        {"line": 4, "path": "/v1/completions", "model": "m", "prompt": "x"},
    ]


def test_a_line_may_name_its_model_and_more(tmp_path: Path) -> None:
    (found,) = read(tmp_path, {"question": "你好", "model": "other", "max_tokens": 5, "temperature": 0.5})
    assert (found["model"], found["max_tokens"], found["temperature"]) == ("other", 5, 0.5)


@pytest.mark.parametrize("line", ["not json", "[]", "{}", '{"question": 1}', "null"])
def test_a_line_that_is_none_is_told_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(UsageError) as told:
        read(tmp_path, {"question": "hi"}, line)
    assert told.value.where.endswith("questions.jsonl:2")
