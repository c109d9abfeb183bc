"""A script's text into the commands that it would run."""

from __future__ import annotations

from forebay.core.errors import ConfigError, Finding
from forebay.lint.foreign.shell.follow import Follower, parsed
from forebay.lint.foreign.shell.simple import HANDLERS
from forebay.lint.foreign.shell.world import Command, World
from forebay.lint.foreign.word import Word
from forebay.messages import _

SIZE_LIMIT_BYTES = 1024 * 1024
_CHOOSERS = ("ENV", "ENVIRONMENT", "DEPLOY_ENV", "APP_ENV")
"""Variables by which scripts are told their environment, where not by the first argument."""


def follow(text: str, place: str, argument: str | None = None) -> tuple[list[Command], list[Finding]]:
    """Every command of every way through the script; ConfigError where it is too large or no text.

    `argument` is the environment that the script is told; without it, it may be any.
    """
    if len(text.encode(errors="replace")) > SIZE_LIMIT_BYTES:
        why = _("the script is larger than {limit} bytes").format(limit=SIZE_LIMIT_BYTES)
        raise ConfigError(why, where=place, fix=_("Name the script that starts vLLM"))
    if "\0" in text:
        raise ConfigError(_("this is no text"), where=place, fix=_("Name a shell script"))
    tree = parsed(text)
    walk = Follower(place, HANDLERS)
    first = World()
    if argument is not None:
        first = World(dict.fromkeys(_CHOOSERS, argument), arguments=(Word(argument),))
    walk.statements(tree.root_node.children, [first])
    walk.uncalled(first)
    if tree.root_node.has_error:
        walk.broken(tree.root_node)
    # Ways that differ elsewhere start the same commands again.
    once = {(command.words, *sorted(command.env.items())): command for command in walk.commands}
    return list(once.values()), list(dict.fromkeys(walk.findings))
