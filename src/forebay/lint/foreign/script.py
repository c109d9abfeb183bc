"""The starts of vLLM in a command line or a shell script."""

from __future__ import annotations

import re

import msgspec

from forebay.core.errors import Finding, UsageError
from forebay.lint.foreign.complaints import COMMAND
from forebay.lint.foreign.launch import Launch, find_launch
from forebay.lint.foreign.shell.script import follow
from forebay.lint.foreign.shell.world import Command
from forebay.messages import _

_FLAG = re.compile(r"--?[A-Za-z]")
_INSTALL = re.compile(r"vllm(?:-cpu)?\s*==\s*v?(\d+\.\d+\.\d+)")


def launches_of_command(text: str) -> tuple[list[Launch], list[Finding]]:
    """Of one command line as a person types it; UsageError where it starts no vLLM."""
    if not text.strip():
        raise UsageError(_("the command is empty"), fix=_("Write --command 'vllm serve MODEL …'"))
    found, notes = _launches(text, COMMAND, None)
    if not found and not any(note.severity == "error" for note in notes):
        fix = _("Write --command 'vllm serve MODEL …', or python3 -m vllm.entrypoints.openai.api_server …")
        raise UsageError(_("the command does not start vLLM"), fix=fix)
    return found, [msgspec.structs.replace(note, where=COMMAND) for note in notes]


def launches_of_script(text: str, place: str, argument: str | None = None) -> tuple[list[Launch], list[Finding]]:
    """Of a whole script; that it starts none is a finding."""
    found, notes = _launches(text, place, argument)
    if found and "\r\n" in text:
        notes = [*notes, _of_windows(text, place)]
    if not found and not any(note.severity == "error" for note in notes):
        why = _("no command here starts vLLM")
        fix = _("Name the script that calls `vllm serve`, or check its command with --command")
        notes = [*notes, Finding(rule="nothing_started", severity="error", where=place, why=why, fix=fix)]
    return found, notes


def _launches(text: str, place: str, argument: str | None) -> tuple[list[Launch], list[Finding]]:
    commands, notes = follow(text, place, argument)
    found = [
        launch for command in commands if (launch := find_launch(command.words, dict(command.env), place)) is not None
    ]
    release = _installed(commands)
    if release is not None:
        found = [msgspec.structs.replace(launch, release=launch.release or release) for launch in found]
    sourced = [command for command in commands if command.words[0].text in (".", "source")]
    torn = [command for command in commands if _FLAG.match(command.words[0].text)] if found else []
    notes = [*notes, *(_torn(command, place) for command in torn)]
    return found, [*notes, *(_sourced(command, place) for command in sourced if found)]


def _torn(command: Command, place: str) -> Finding:
    word = command.words[0].shown
    why = _("{word} stands as a command of its own: the command above it has ended").format(word=word)
    fix = _("End each line before it with a backslash, nothing behind that and no comment between")
    return Finding(rule="script_torn", severity="error", where=f"{place}:{command.line}", why=why, fix=fix)


def _of_windows(text: str, place: str) -> Finding:
    why = _("lines end in CR LF: no backslash continues one, and the CR belongs to its last word")
    fix = _("Run sed -i 's/\\r$//' on it")
    line = text[: text.index("\r\n")].count("\n") + 1
    return Finding(rule="script_torn", severity="error", where=f"{place}:{line}", why=why, fix=fix)


def _installed(commands: list[Command]) -> str | None:
    """The release that the script itself installs."""
    texts = (word.text for command in commands for word in command.words)
    return next((match[1] for text in texts if (match := _INSTALL.search(text))), None)


def _sourced(command: Command, place: str) -> Finding:
    name = command.words[1].shown if len(command.words) > 1 else ""
    why = _("{name} is read when it runs: what it sets is not known here").format(name=name)
    fix = _("Put its lines into a copy of the script to have them checked")
    where = f"{place}:{command.line}"
    return Finding(rule="script_sourced", severity="note", where=where, why=why, fix=fix)
