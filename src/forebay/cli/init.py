"""`forebay init`: a commented forebay.yaml that passes `forebay check`."""

from __future__ import annotations

import click

from forebay.cli.flags import Flags, common
from forebay.cli.starter import Wishes, starter
from forebay.config.schema.root import Hardware, Scenario
from forebay.core.files import write_atomically
from forebay.messages import _

_HARDWARE = click.Choice(Hardware.__args__)  # type: ignore[attr-defined]
_SCENARIO = click.Choice(Scenario.__args__)  # type: ignore[attr-defined]


@click.command(help=_("Write a commented forebay.yaml; without flags, one that runs on a laptop."))
@click.option("--hardware", type=_HARDWARE, help=_("Which accelerators the engines have."))
@click.option("--scenario", type=_SCENARIO, help=_("Which load the engines are tuned for."))
@click.option("--model", metavar="NAME", help=_("Hub id or path of the weights."))
@click.option("--release", metavar="X.Y.Z", help=_("Release of vLLM; the newest that the hardware runs if not given."))
@click.option("--gpus", type=click.IntRange(1, 64), help=_("GPUs for the engine; the fewest that fit if not given."))
@common("config", "env", "output", "yes", "dry_run")
def init(
    flags: Flags,
    hardware: str | None,
    scenario: str | None,
    model: str | None,
    release: str | None,
    gpus: int | None,
) -> None:
    """Write the file, unless one is there."""
    wishes = Wishes(
        environment=flags.environment or "development",
        hardware=hardware,
        scenario=scenario,
        model=model,
        release=release,
        gpus=gpus,
    )
    text = starter(wishes)
    if flags.dry_run:
        click.echo(text, nl=False)
        return
    if flags.config.exists():
        refusal = _("{file} exists").format(file=flags.config)
        flags.confirm(_("{file} exists. Replace it?").format(file=flags.config), refusal)
    write_atomically(flags.config, text.encode(), mode=0o644)
    flags.say(_("{file} is written. Next: forebay check, then forebay up").format(file=flags.config))
    if flags.output != "table":
        flags.answer({"file": str(flags.config)})
