"""Every key, command, metric, error code and rule is documented, and the pages say what the code says."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import click
import pytest
from docs.generate import PAGES, REFERENCE

from forebay.cli.main import COMMANDS, program
from forebay.config.schema import Config
from forebay.config.schema.base import Section
from forebay.config.shape import alternatives
from forebay.gateway.refusal import CODES
from forebay.gateway.routes import ROUTES
from forebay.observe.catalogue import METRICS


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_in_step_with_the_code(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make docs`"


def test_every_key_says_what_it_means() -> None:
    silent = [
        f"{section.__name__}.{key}"
        for section in _sections(Config)
        for key, field in section.model_fields.items()
        if key != "kind" and not field.description and not any(map(_is_section, alternatives(field.annotation)))
    ]
    assert not silent


def test_every_command_and_option_says_what_it_does() -> None:
    context = click.Context(program(), info_name="forebay")
    silent = [text for name in COMMANDS for text in _silent(program().get_command(context, name), context, name)]
    assert not silent


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists(name: str) -> None:
    module, attribute = COMMANDS[name][0].split(":")
    command = getattr(importlib.import_module(module), attribute)
    assert isinstance(command, click.Command)


def test_every_field_of_every_route_says_what_it_takes() -> None:
    silent = [
        f"{route.endpoint}: {name}"
        for route in ROUTES.values()
        if route.shape is not None
        for name, field in route.shape.fields.items()
        if not field.expects.strip()
    ]
    assert not silent


def test_every_metric_and_error_code_says_what_it_means() -> None:
    assert not [metric.name for metric in METRICS if not metric.text.strip()]
    assert not [name for name, code in CODES.items() if not code.meaning.strip()]


def _silent(command: click.Command | None, parent: click.Context, name: str) -> Iterator[str]:
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    if not command.help:
        yield context.command_path
    for part in command.params:
        if isinstance(part, click.Option) and not part.help:
            yield f"{context.command_path} {part.opts[0]}"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _silent(command.get_command(context, below), context, below)


def _sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        for kind in alternatives(field.annotation):
            for part in (kind, *getattr(kind, "__args__", ())):
                for inner in alternatives(part):
                    if _is_section(inner):
                        yield from _sections(inner)


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Section)
