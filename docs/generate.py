"""Write docs/reference/ from the code: every key, command, metric, error code and rule. `make docs`.

A page is a function that returns its text; `PAGES` names it. tests/house fails while a page is out of step.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from docs import api_page
from pydantic.fields import FieldInfo

from forebay.cli.examples import EXAMPLES
from forebay.cli.flags import columns
from forebay.cli.main import COMMANDS, program
from forebay.config.layers import profile, profile_names
from forebay.config.provenance import leaves, show_path
from forebay.config.schema import Config
from forebay.config.schema.base import Bytes, Seconds, Section
from forebay.config.schema.rollout import Share
from forebay.config.shape import alternatives, default_of, required
from forebay.core.errors import UsageError
from forebay.core.registry import Registry
from forebay.core.units import show_duration, show_size
from forebay.gateway.refusal import CODES
from forebay.lint import catalogue
from forebay.lint.run import engine_rules, load_rules, rules
from forebay.messages import speak
from forebay.observe.catalogue import METRICS
from forebay.ops.doctor.run import checks
from forebay.render.alerts import ALERTS, RECORDS

REFERENCE = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by `make docs`; changes made here are lost. -->"


def configuration() -> str:
    """Every key of forebay.yaml."""
    lines = [
        "# Configuration",
        "",
        _NOTE,
        "",
        "Keys of `forebay.yaml`. Unknown keys are refused. Durations are written",
    ]
    lines += ["with a unit (`250ms`, `30s`, `5m`, `2h`, `1d`), sizes too (`64KiB`, `8GiB`, `1MB`); secrets only as"]
    lines += [
        "references (`env:NAME`, `file:PATH`). Values are taken from, lowest first: the defaults below, the hardware"
    ]
    lines += [
        "profile, the scenario, the environment, the file, and the file's own `environments`. What the hardware cannot"
    ]
    lines += ["do is taken back with a note. `forebay config explain KEY` tells where a value came from.", ""]
    for title, section in _sections(Config, ""):
        lines += [
            f"## {title or 'Top level'}",
            "",
            *_about(section),
            "| key | value | default | |",
            "|---|---|---|---|",
        ]
        for key, field in section.model_fields.items():
            lines.append(f"| `{key}` | {_kind(field)} | {_default(field)} | {_text(field)} |")
        lines.append("")
    return "\n".join([*lines, *_profiles()]) + "\n"


def commands() -> str:
    """Every command with its flags."""
    lines = ["# Commands", "", _NOTE, "", "Flags come after the command. Exit codes: 0 done; 1 failed or findings;"]
    lines += ["2 changes pending; 64 usage; 130 interrupted. Answers go to stdout, everything else to stderr.", ""]
    group = program()
    context = click.Context(group, info_name="forebay")
    for name in COMMANDS:
        try:
            command = group.get_command(context, name)
        except UsageError:  # not part of this build: tests/house says so, the page only lacks it
            continue
        lines += _command(command, context, name) if command is not None else []
    return "\n".join(lines).rstrip() + "\n"


def metrics() -> str:
    """Every metric of the page at observe.metrics.port."""
    lines = ["# Metrics", "", _NOTE, "", "Summed over all workers, at `http://127.0.0.1:9090/metrics`.", ""]
    lines += ["| metric | type | labels | |", "|---|---|---|---|"]
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text} |")
    return "\n".join(lines) + "\n"


def alerts() -> str:
    """Every alert of the rendered rules, with what to do."""
    lines = ["# Alerts", "", _NOTE, "", "As `forebay render prometheus` writes them."]
    for alert in ALERTS:
        lines += [
            "",
            f"## {alert.name}",
            "",
            f"{alert.severity}, after {alert.hold}: `{alert.expr}`",
            "",
            alert.runbook,
        ]
    lines += ["", "## Recorded beforehand", "", "| series | expression |", "|---|---|"]
    lines += [f"| `{name}` | `{expr}` |" for name, expr in RECORDS.items()]
    return "\n".join(lines) + "\n"


def errors() -> str:
    """Every code of an error that clients see."""
    lines = [
        "# Error codes",
        "",
        _NOTE,
        "",
        "`error.code` of the gateway's answers, in OpenAI's shape. Codes are stable.",
        "",
    ]
    lines += ["| code | status | type | |", "|---|---|---|---|"]
    lines += [f"| `{name}` | {code.status} | `{code.type}` | {code.meaning} |" for name, code in sorted(CODES.items())]
    return "\n".join(lines) + "\n"


def api() -> str:
    """Every route and every field of its body."""
    return api_page.page(_NOTE)


def findings() -> str:
    """Rules of `check` and checks of `doctor`."""
    load_rules()
    checks.load("forebay.ops.doctor.checks")
    lines = ["# Findings", "", _NOTE, "", *_meaning_of_severities()]
    for title, names in _CATALOGUE.items():
        lines += [f"## {title}", "", "| name | |", "|---|---|"]
        lines += [f"| `{name}` | {text} |" for name, text in sorted(names.items())]
        lines.append("")
    registries: tuple[tuple[str, Registry[Any]], ...] = (
        ("Rules about forebay.yaml", rules),
        ("Rules about one vLLM engine", engine_rules),
        ("Checks of `forebay doctor`", checks),
    )
    for title, registry in registries:
        lines += [f"## {title}", "", "| name | |", "|---|---|"]
        lines += [f"| `{name}` | {_first_sentence(part.__doc__)} |" for name, part in registry.items()]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


_CATALOGUE = {
    "Reading forebay.yaml": catalogue.READING,
    "Flags and variables": catalogue.FLAGS,
    "Commands, scripts and compose files": catalogue.WORDS,
    "`check --upgrade-to`": catalogue.UPGRADE,
}


def _meaning_of_severities() -> list[str]:
    return [
        "`forebay check` finds these; each carries `rule`, `severity`, `where`, `why` and `fix`. An **error** would",
        "not start, would not serve, or gives something away: exit 1. A **warning** costs time, memory or safety; a",
        "**note** is worth knowing: exit 0 for both. Rules about one engine judge `forebay.yaml` and what",
        "`check --command`, `--script` and `--compose` read alike.",
        "",
    ]


PAGES: dict[str, Callable[[], str]] = {
    "api.md": api,
    "configuration.md": configuration,
    "commands.md": commands,
    "metrics.md": metrics,
    "alerts.md": alerts,
    "errors.md": errors,
    "findings.md": findings,
}


def main() -> None:
    """Write every page."""
    speak("en")
    REFERENCE.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"docs/reference/{name}\n")


def _sections(section: type[Section], path: str) -> Iterator[tuple[str, type[Section]]]:
    yield path, section
    for key, field in section.model_fields.items():
        for kind in alternatives(field.annotation):
            yield from _below(kind, f"{path}.{key}" if path else key)


def _below(kind: Any, path: str) -> Iterator[tuple[str, type[Section]]]:
    if get_origin(kind) is dict:
        for value in alternatives(get_args(kind)[1]):
            yield from _below(value, f"{path}.NAME")
    elif get_origin(kind) is list:
        for value in alternatives(get_args(kind)[0]):
            yield from _below(value, f"{path}[]")
    elif isinstance(kind, type) and issubclass(kind, Section):
        named = kind.model_fields.get("kind")
        suffix = f" (`kind: {get_args(named.annotation)[0]}`)" if named is not None and path.endswith("[]") else ""
        yield from ((title + suffix if title == path else title, section) for title, section in _sections(kind, path))


def _about(section: type[Section]) -> list[str]:
    return [" ".join((section.__doc__ or "").split()), ""]


def _kind(field: FieldInfo) -> str:
    for written, name in ((Seconds, "duration"), (Bytes, "size"), (Share, "share")):
        if any(
            type(part) is type(written.__metadata__[1]) and part == written.__metadata__[1] for part in field.metadata
        ):
            return name
    text = str(field.annotation)
    for written, name in ((Seconds, "duration"), (Bytes, "size"), (Share, "share")):
        if str(written) in text:
            return name
    return " or ".join(dict.fromkeys(_named(kind) for kind in alternatives(field.annotation)))


def _named(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return ", ".join(f"`{json.dumps(choice).strip(chr(34))}`" for choice in get_args(kind))
    if origin is list:
        return "list"
    if origin is dict or (isinstance(kind, type) and issubclass(kind, Section)):
        return "mapping"
    return {bool: "true or false", int: "whole number", float: "number", str: "text", object: "any"}.get(
        kind, "mapping"
    )


def _default(field: FieldInfo) -> str:
    if required(field):
        return "required"
    value = default_of(field)
    if value is None:
        return ""
    if isinstance(value, Section):
        return "see below"
    if _kind(field) == "duration" and isinstance(value, int | float):
        return f"`{show_duration(value)}`"
    if _kind(field) == "size" and isinstance(value, int):
        return f"`{show_size(value)}`"
    return f"`{json.dumps(value)}`"


def _text(field: FieldInfo) -> str:
    return " ".join((field.description or _what_it_holds(field)).split()).replace("|", "\\|")


def _what_it_holds(field: FieldInfo) -> str:
    """The first sentence about the section that a key stands for."""
    for kind in alternatives(field.annotation):
        if isinstance(kind, type) and issubclass(kind, Section):
            return (kind.__doc__ or "").partition(". ")[0].strip().rstrip(".") + "."
    return ""


def _profiles() -> Iterator[str]:
    yield from ("## Profiles", "", "Values that `hardware`, `scenario` and `environment` set.", "")
    for folder in ("hardware", "scenarios", "environments"):
        for name in profile_names(folder):
            part = profile(folder, name)
            yield from (f"### {folder}: {name}", "", part.about, "")
            values = [(show_path(path), json.dumps(node.value)) for path, node in leaves(part.values)]
            limits = [(flag, limit.why) for flag, limit in part.limits.items()]
            if values:
                yield from ("```text", columns(("key", "value"), values), "```", "")
            if limits:
                yield from ("```text", columns(("limit", "because"), limits), "```", "")


def _command(command: click.Command, parent: click.Context, name: str) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent)
    lines = [f"## {context.command_path}", "", command.help or "", ""]
    if not isinstance(command, click.Group):
        rows = [record for part in command.params if (record := part.get_help_record(context)) is not None]
        usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
        lines += ["```text", usage, "", columns(("flag", ""), rows), "```", ""]
        lines += ["```sh", *EXAMPLES.get(context.command_path.partition(" ")[2], ()), "```", ""]
        return lines
    for below in command.list_commands(context):
        found = command.get_command(context, below)
        lines += _command(found, context, below) if found is not None else []
    return lines


def _first_sentence(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


if __name__ == "__main__":
    main()
