"""`forebay init`: a commented forebay.yaml that passes `forebay check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forebay.cli.flags import Flags, common
from forebay.cli.foreign import Source
from forebay.cli.pipelines import write_pipeline
from forebay.cli.starter import Wishes, starter
from forebay.config.schema.root import Hardware, Scenario
from forebay.core.errors import UsageError
from forebay.core.files import write_atomically
from forebay.messages import _
from forebay.release.pipeline import KINDS

_HARDWARE = click.Choice(Hardware.__args__)  # type: ignore[attr-defined]
_FILE = click.Path(path_type=Path, dir_okay=False)
_SCENARIO = click.Choice(Scenario.__args__)  # type: ignore[attr-defined]


@click.command(help=_("Write a commented forebay.yaml; without flags, one that runs on a laptop."))
@click.option("--hardware", type=_HARDWARE, help=_("Which accelerators the engines have."))
@click.option("--scenario", type=_SCENARIO, help=_("Which load the engines are tuned for."))
@click.option("--model", metavar="NAME", help=_("Hub id or path of the weights."))
@click.option("--release", metavar="X.Y.Z", help=_("Release of vLLM; the newest that the hardware runs if not given."))
@click.option("--gpus", type=click.IntRange(1, 64), help=_("GPUs for the engine; the fewest that fit if not given."))
@click.option("--from-script", type=_FILE, metavar="FILE", help=_("Take over what a shell script starts."))
@click.option("--from-compose", type=_FILE, metavar="FILE", help=_("Take over the vLLM services of a compose file."))
@click.option("--ci", type=click.Choice(list(KINDS)), help=_("Write a pipeline that checks and plans every change."))
@common("config", "env", "output", "yes", "dry_run")
def init(flags: Flags, *, from_script: Path | None, from_compose: Path | None, ci: str | None, **wishes: Any) -> None:
    """Write the file, unless one is there."""
    if ci is not None:
        write_pipeline(flags, ci)
        return
    text, changes = _text(flags, from_script, from_compose, wishes)
    for change in changes:
        flags.say(change)
    if flags.dry_run:
        flags.answer({"file": str(flags.config), "text": text, "changes": list(changes)}, lambda: text.rstrip("\n"))
        return
    if flags.config.exists():
        refusal = _("{file} exists").format(file=flags.config)
        flags.confirm(_("{file} exists. Replace it?").format(file=flags.config), refusal)
    write_atomically(flags.config, text.encode(), mode=0o644)
    flags.say(_("{file} is written. Next: forebay check, then forebay up").format(file=flags.config))
    if flags.output != "table":
        answer: dict[str, object] = {"file": str(flags.config)}
        flags.answer(answer | {"changes": list(changes)} if from_script or from_compose else answer)


def _text(
    flags: Flags, script: Path | None, compose: Path | None, wishes: dict[str, Any]
) -> tuple[str, tuple[str, ...]]:
    """The file's text, and what was changed where it was taken over from something that runs today."""
    environment = flags.environment or "development"
    if script is None and compose is None:
        return starter(Wishes(environment=environment, **wishes)), ()
    if script is not None and compose is not None:
        raise UsageError(_("--from-script and --from-compose exclude one another"))
    if wishes["model"] is not None or wishes["gpus"] is not None:
        raise UsageError(_("the model and its GPUs are taken from the file"), fix=_("Leave --model and --gpus out"))
    from forebay.cli.adopting import adoption  # noqa: PLC0415  the grammar of shells is not needed otherwise

    source = Source(script=script, compose=compose, release=wishes["release"])
    head = {"environment": environment, "hardware": wishes["hardware"], "scenario": wishes["scenario"]}
    taken = adoption(source, head, flags.environment)
    return taken.text, taken.changes
