"""`forebay completion`: what a shell needs to complete commands, flags and their choices."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from forebay.cli.flags import Flags, common
from forebay.messages import _

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_FOREBAY_COMPLETE"  # click's own name for it, made of the program's


@click.command(help=_("Print what makes a shell complete forebay's commands; put it where the shell reads it."))
@click.argument("shell", type=click.Choice(_SHELLS))
@common()
def completion(flags: Flags, shell: str) -> None:
    """The script asks the program itself, so it need not be made again with a new release."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  click has all three
    root = click.get_current_context().find_root().command
    click.echo(kind(root, {}, "forebay", _VARIABLE).source())
