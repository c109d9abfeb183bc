"""Flags that mean the same after every command, and the printer that `-o` chooses."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import click

from forebay.core.errors import UsageError
from forebay.messages import LANGUAGES, N_, _

F = TypeVar("F", bound=Callable[..., Any])
Format = Literal["table", "json", "yaml"]
FORMATS = ("table", "json", "yaml")
# From now on, dates stay those that every program can write.
_LONGEST_YEARS = 100
_LONGEST_S = _LONGEST_YEARS * 366 * 86_400


class Flags:
    """What the common flags say. A command that takes none of them still gets their defaults."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.config: Path = given.get("config") or Path("forebay.yaml")
        self.environment: str | None = given.get("env")
        self.output: Format = given.get("output") or "table"
        self.dry_run: bool = bool(given.get("dry_run"))
        self.yes: bool = bool(given.get("yes"))
        self.timeout_s: float | None = given.get("timeout")
        self.verbosity: int = given.get("verbose", 0) - given.get("quiet", 0)

    def answer(self, value: Any, table: Callable[[], str] | None = None) -> None:
        """Print the answer to stdout: `value` as JSON or YAML, `table()` for people."""
        if self.output == "json":
            click.echo(_json(value))
        elif self.output == "yaml" or table is None:
            click.echo(_yaml(value), nl=False)
        else:
            click.echo(table())

    def say(self, text: str) -> None:
        """Tell a person what happens, on stderr; nothing with -q."""
        if self.verbosity >= 0:
            click.echo(text, err=True)

    def confirm(self, question: str, refusal: str) -> None:
        """Ask before something is lost; without a terminal and without --yes, refuse with UsageError."""
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(refusal, fix=_("Add --yes to do it anyway"))
        if not click.confirm(question, err=True):
            raise click.exceptions.Abort


def common(*names: str) -> Callable[[F], F]:
    """Add flags by name; the command's first argument is then `flags: Flags`. `--lang` and -v/-q always come along.

    `@click.command()` / `@common("config", "env", "output")` / `def status(flags: Flags) -> None: …`
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def run(**given: Any) -> Any:
            taken = {name: given.pop(name) for name in _all(names) if name in given}
            return function(Flags(taken), **given)

        command: Any = run
        for name in reversed(_all(names)):
            command = _OPTIONS[name](command)
        return command  # type: ignore[no-any-return]

    return decorate


def columns(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in plain columns, as wide as its widest cells; wide characters count twice."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(_width(row[index]) for row in cells) for index in range(len(head))]
    lines = ("  ".join(cell + " " * (widths[i] - _width(cell)) for i, cell in enumerate(row)).rstrip() for row in cells)
    return "\n".join(lines)


def spelled(value: Any) -> str:
    """A value as a file of configuration spells it, on one line unless it is a text of several."""
    import msgspec  # noqa: PLC0415  not needed for --help

    is_json = value is None or isinstance(value, dict | list | tuple | bool)
    return msgspec.json.encode(value).decode() if is_json else str(value)


def paint(text: str, colour: str) -> str:
    """Colour for a terminal; plain where NO_COLOR is set or nobody looks."""
    plain = os.environ.get("NO_COLOR") or not sys.stdout.isatty()
    return text if plain else click.style(text, fg=colour)


def chosen_language(arguments: Sequence[str]) -> str | None:
    """The language named by --lang, found before click runs so that --help speaks it too."""
    value = _value_of(arguments, ("--lang",))
    return value if value in LANGUAGES else None


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether `-o json` was given, so that errors are JSON on stdout as well."""
    return _value_of(arguments, ("-o", "--output")) == "json"


def _value_of(arguments: Sequence[str], names: tuple[str, ...]) -> str | None:
    for index, argument in enumerate(arguments):
        for name in names:
            if argument == name:
                return arguments[index + 1] if index + 1 < len(arguments) else None
            if name.startswith("--") and argument.startswith(f"{name}="):
                return argument.partition("=")[2]
            if not name.startswith("--") and argument.startswith(name) and argument != name:
                return argument[len(name) :].removeprefix("=")
    return None


class Duration(click.ParamType[float]):
    """A length of time such as 30s, as seconds; refused below `least_s`, and where it is no time that anybody means."""

    name = "DURATION"

    def __init__(self, least_s: float = 0.0) -> None:
        self._least_s = least_s

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from forebay.core.units import duration_s, show_duration  # noqa: PLC0415  not needed for --help

        try:
            found = value if isinstance(value, float) else duration_s(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found < self._least_s:
            least = show_duration(self._least_s)
            self.fail(_("{value} is shorter than {least}").format(value=value, least=least), param, ctx)
        if found > _LONGEST_S:
            self.fail(_("{value} is longer than {years} years").format(value=value, years=_LONGEST_YEARS), param, ctx)
        return found


class Number(click.FloatRange):
    """A number within bounds; nan is within none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(_("{text!r} is no number").format(text=value), param, ctx)
        return found


def _all(names: tuple[str, ...]) -> tuple[str, ...]:
    return (*names, "verbose", "quiet", "lang")


def _lazy(*names: str, text: str, **settings: Any) -> Callable[[F], F]:
    """An option whose help is translated when the command is imported, after the language was chosen."""

    def decorate(function: F) -> F:
        return click.option(*names, help=_(text), **settings)(function)

    return decorate


_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "config": _lazy(
        "-c",
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("forebay.yaml"),
        show_default=True,
        metavar="FILE",
        text=N_("The configuration."),
    ),
    "env": _lazy("-e", "--env", metavar="NAME", text=N_("Environment: development, staging or production.")),
    "output": _lazy(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        text=N_("Form of the answer."),
    ),
    "dry_run": _lazy("--dry-run", is_flag=True, text=N_("Show what would happen and change nothing.")),
    "yes": _lazy("-y", "--yes", is_flag=True, text=N_("Do not ask.")),
    "timeout": _lazy("--timeout", type=Duration(), text=N_("How long to wait at most, such as 30s.")),
    "verbose": _lazy("-v", "--verbose", count=True, text=N_("Say more.")),
    "quiet": _lazy("-q", "--quiet", count=True, text=N_("Say nothing but the answer.")),
    "lang": _lazy("--lang", type=click.Choice(LANGUAGES), expose_value=False, text=N_("Language: en or zh.")),
}


def _json(value: Any) -> str:
    import msgspec  # noqa: PLC0415  not needed for --help

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _yaml(value: Any) -> str:
    import io  # noqa: PLC0415  not needed for --help

    import msgspec  # noqa: PLC0415
    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = io.StringIO()
    yaml.dump(msgspec.to_builtins(value), text)
    return text.getvalue()


def _width(text: str) -> int:
    import unicodedata  # noqa: PLC0415  not needed for --help

    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
