"""Every text that can be shown is translated, and the compiled catalogue is in step."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator

from babel.messages.catalog import Message

from forebay.messages.update import CATALOGUE, SOURCE, compiled, read, texts, untranslated, updated


def test_every_text_is_translated() -> None:
    assert not untranslated(updated(read())), "run `make messages` and translate what it names"


def test_the_catalogue_holds_todays_texts_and_no_others() -> None:
    assert {message.id for message in read() if message.id} == {message.id for message in texts() if message.id}


def test_no_text_hides_from_the_extraction() -> None:
    # Within an f-string babel sees none before Python 3.12.
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in texts() if message.id}
    assert not [text for text in _given() if text not in known]


def _given() -> Iterator[str]:
    """Every constant text that the code has translated."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"_", "ngettext"}:
                text = node.args[0]
                if isinstance(text, ast.Constant):
                    yield text.value


def test_nothing_is_fuzzy() -> None:
    assert not [message.id for message in read() if message.fuzzy and message.id]


def test_the_compiled_catalogue_is_in_step() -> None:
    assert CATALOGUE.with_suffix(".mo").read_bytes() == compiled(read()), "run `make messages`"


def test_a_translation_fills_the_gaps_that_its_text_has() -> None:
    assert not [message.id for message in read() if message.id and not _fits(message)]


def _fits(message: Message) -> bool:
    ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    offered = {field for text in ids for field in _fields(str(text))}
    wanted = [set(_fields(str(text))) for text in strings]
    return all(gaps <= offered if len(ids) > 1 else gaps == offered for gaps in wanted)


def _fields(text: str) -> Iterator[str]:
    for _literal, field, _form, _conversion in string.Formatter().parse(text):
        if field is not None:
            yield field
