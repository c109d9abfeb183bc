"""`forebay cache warm`: ask known questions ahead of time, so that clients find their answers there."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from forebay.cli.flags import Flags, columns, common
from forebay.cli.warming import Outcome, Question, read_questions, warm_all
from forebay.cli.wiring import configuration, state_dir
from forebay.core.errors import RunError, UsageError
from forebay.messages import _, ngettext

KEY_VARIABLE = "FOREBAY_API_KEY"


@click.group(help=_("Fill the cache of answers."))
def cache() -> None:
    """Group of the commands below."""


@cache.command(help=_("Ask the questions of FILE at every worker. What is there already is left as it is."))
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help=_("File with the key."))
@click.option("--model", help=_("Model of lines that name none. Default: the first of the configuration."))
@click.option("--refresh", is_flag=True, help=_("Replace what is there."))
@click.option("--at-once", type=click.IntRange(1, 256), default=4, show_default=True, help=_("Questions in flight."))
@common("config", "env", "output", "timeout")
def warm(flags: Flags, file: Path, key_file: Path | None, model: str | None, refresh: bool, at_once: int) -> None:
    """Running it again goes on where it stopped: an answer that is there is a hit, and costs next to nothing."""
    config = configuration(flags).config
    questions = read_questions(file, model or next(iter(config.models)))
    host = config.gateway.bind if config.gateway.bind not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    ports = range(config.gateway.worker_port, config.gateway.worker_port + config.gateway.workers)
    outcomes: list[Outcome] = []
    timeout_s = 600.0 if flags.timeout_s is None else flags.timeout_s
    headers = {"authorization": f"Bearer {_key(flags, key_file)}", "content-type": "application/json"}
    headers["x-forebay-cache"] = "refresh" if refresh else "use"
    for number, port in enumerate(ports, 1):
        flags.say(
            ngettext(
                "Worker {number} of {count}: {questions} question",
                "Worker {number} of {count}: {questions} questions",
                len(questions),
            ).format(number=number, count=len(ports), questions=len(questions))
        )
        outcomes += warm_all((host, port), headers, questions, at_once, timeout_s)
    _report(flags, questions, len(ports), outcomes)


def _report(flags: Flags, questions: list[Question], workers: int, outcomes: list[Outcome]) -> None:
    counts = Counter(outcome.result for outcome in outcomes)
    failed = [{"line": outcome.line, "reason": outcome.reason} for outcome in outcomes if outcome.result == "failed"]
    found = {
        "questions": len(questions),
        "workers": workers,
        "computed": counts["computed"],
        "already_there": counts["already_there"],
        "not_reusable": counts["not_reusable"],
        "failed": failed,
    }
    head = (_("QUESTIONS"), _("WORKERS"), _("COMPUTED"), _("ALREADY THERE"), _("NOT REUSABLE"), _("FAILED"))
    row = [*list(found.values())[:-1], len(failed)]
    flags.answer(found, lambda: columns(head, [row]))
    if questions and counts["not_reusable"] == len(outcomes):
        raise RunError(
            _("every question was answered, and no answer was kept"),
            fix=_("Set cache.exact of the model; calls with tools or for several answers are never kept"),
            code="not_warm",
        )
    if failed:
        first = failed[0]
        raise RunError(
            ngettext(
                "{count} question got no answer: line {line}: {reason}",
                "{count} questions got no answer; the first is line {line}: {reason}",
                len(failed),
            ).format(count=len(failed), line=first["line"], reason=first["reason"]),
            fix=_("Run the command again: it goes on where it stopped"),
            code="not_warm",
        )


def _key(flags: Flags, key_file: Path | None) -> str:
    """The key of the tenant whose answers these are: answers never pass from one tenant to another."""
    if key_file is not None:
        return key_file.read_text("utf-8").strip()
    if key := os.environ.get(KEY_VARIABLE):
        return key
    dev_key = state_dir(flags).dev_key
    if not dev_key.exists():
        raise UsageError(
            _("no key: answers are kept for the tenant whose key asks"),
            fix=_("Name a file with --key-file, or set {variable}").format(variable=KEY_VARIABLE),
        )
    return dev_key.read_text("utf-8").strip()
