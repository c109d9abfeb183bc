"""The pages lead somewhere, each is reached from another, and the command lines that they show can be typed."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import click
import pytest

from forebay.cli.examples import EXAMPLES, START
from forebay.cli.main import program
from forebay.messages.update import texts

ROOT = Path(__file__).parents[2]
PAGES = sorted(chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), (ROOT / "benchmarks").rglob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`(forebay [^`]+)`(?!`)")
PROGRAM = program()
ROOT_CONTEXT = click.Context(PROGRAM, info_name="forebay")


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))
    return [link for link in found if not link.startswith(("http:", "https:", "mailto:"))]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def target(page: Path, link: str) -> Path:
    path = link.partition("#")[0]
    return (page.parent / path).resolve() if path else page


def leads(page: Path, link: str) -> bool:
    anchor, there = link.partition("#")[2], target(page, link)
    return there.exists() and (not anchor or there.suffix != ".md" or anchor in anchors(there))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert not [link for link in links(page) if not leads(page, link)]


def test_every_page_is_reached_from_another() -> None:
    reached = {target(page, link) for page in PAGES for link in links(page) if target(page, link) != page}
    assert not [str(page.relative_to(ROOT)) for page in PAGES if page not in reached and page.parent != ROOT]


def test_every_page_of_docs_stands_in_its_index() -> None:
    index = ROOT / "docs" / "README.md"
    named = {target(index, link) for link in links(index)}
    missing = [page for page in (ROOT / "docs").rglob("*.md") if page not in named | {index}]
    assert not [page.name for page in missing if not page.name.endswith(".zh-CN.md")]


def test_every_command_has_an_example_and_every_example_a_command() -> None:
    assert set(EXAMPLES) == set(leaves())


@pytest.mark.parametrize("line", [*START, *chain.from_iterable(EXAMPLES.values())])
def test_an_example_can_be_typed(line: str) -> None:
    assert list(calls(line))
    for words in calls(line):
        read(words, whole=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_no_command_or_flag_that_is_not_there(page: Path) -> None:
    for line in typed(page.read_text("utf-8")):
        for words in calls(line):
            read(words)


def typed(text: str) -> Iterator[str]:
    """What a reader would type: lines of a shell, and whole commands in prose."""
    for kind, block in FENCE.findall(text):
        if kind not in {"console", "sh", ""}:
            continue
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if kind != "console" or line.startswith("$ "):
                yield line.removeprefix("$ ")
    yield from (re.sub(r"\{\{.*?\}\}", "NAME", span) for span in SPAN.findall(text) if "COMMAND" not in span)


def calls(line: str) -> Iterator[list[str]]:
    """The words behind each `forebay` in a line of a shell, to the end of its command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # prose, or a text over several lines
        return
    while words:
        word = words.pop(0)
        if (word == "forebay" or word.endswith("/bin/forebay")) and words[:1] != ["forebay"]:
            end = next((place for place, one in enumerate(words) if set(one) <= set("()<>|;&")), len(words))
            yield words[:end]


def read(words: list[str], *, whole: bool = False) -> None:
    """Read the words as the program does, up to the values; a page may name a noun, or leave arguments out."""
    command: click.Command | None = PROGRAM
    context = ROOT_CONTEXT
    while isinstance(command, click.Group):
        if not words or words[0].startswith(("-", "…")):
            assert not whole
            return
        name, *words = words
        command = command.get_command(context, name)
        assert command is not None, name
        context = click.Context(command, info_name=name, parent=context)
    assert command is not None
    given, left, _order = command.make_parser(context).parse_args(words)
    assert not [word for word in left if word != "…"]
    for parameter in command.params:
        value = given.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and value is not None:
            assert set(value if isinstance(value, list) else [value]) <= set(parameter.type.choices)
        assert not (whole and parameter.required and parameter.name not in given)


def known(words: list[str]) -> bool:
    try:
        read(words)
    except (AssertionError, click.NoSuchOption):
        return False
    return True


def leaves(command: click.Command = PROGRAM, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    for name in command.list_commands(ROOT_CONTEXT):
        below = command.get_command(ROOT_CONTEXT, name)
        assert below is not None
        yield from leaves(below, (*path, name))


def test_no_text_of_the_program_names_a_command_or_flag_that_is_not_there() -> None:
    wrong = []
    for message in texts():
        for span in SPAN.findall(str(message.id).replace("{{", "{")):
            with contextlib.suppress(click.BadOptionUsage):  # the value is left to whoever reads it
                wrong += [span for words in calls(span) if "COMMAND" not in words and not known(words)]
    assert not wrong
