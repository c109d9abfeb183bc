"""`forebay tune`: climb to a better setting of an engine, and find the load that it bears."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forebay.cli.flags import Duration, Flags, Number, columns, common
from forebay.cli.wiring import configuration, gateway_of
from forebay.core.errors import StateError, UsageError
from forebay.messages import _

if TYPE_CHECKING:
    from forebay.tune.session import Asked
    from forebay.tune.told import Told

_OBJECTIVES = ("chat", "batch", "low-latency", "mixed", "low-cost")


@click.group(help=_("Measure an engine, change one thing, keep it only if it is better."))
def tune() -> None:
    """The noun; its verbs follow."""


@tune.command(help=_("Climb from the engine of MODEL as it is written to a better one, on this machine."))
@click.argument("model", required=False)
@click.option("--objective", type=click.Choice(_OBJECTIVES), default="chat", show_default=True, help=_("What for."))
@click.option("--budget", type=Duration(1.0), default="30m", show_default=True, help=_("How long all of it may take."))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help=_("Folder of the journal and reports."))
@click.option("--resume", is_flag=True, help=_("Go on from the journal in that folder."))
@click.option("--plan", "only_plan", is_flag=True, help=_("Show the trials that would be made, and make none."))
@click.option("--gpu", type=click.IntRange(0), help=_("GPU that the engine gets, in place of the file's."))
@click.option(
    "--way", type=click.Choice(("auto", "stages", "strides")), default="auto", help=_("Singly or in strides.")
)
@click.option("--input-tokens", type=click.IntRange(1), help=_("Tokens of a prompt."))
@click.option("--output-tokens", type=click.IntRange(1), help=_("Tokens of an answer."))
@click.option("--shared-prefix", type=Number(0, 1), help=_("Share of a prompt that all have in common."))
@click.option("--shared-prefixes", type=click.IntRange(1), help=_("How many such beginnings there are."))
@click.option(
    "--spellings", type=click.IntRange(1), help=_("Programs that each write those beginnings in their own way.")
)
@click.option("--repeats", type=Number(0, 1), help=_("Share of requests that say what was said before."))
@click.option(
    "--concurrency", type=click.IntRange(1), help=_("Requests in flight where the search for the best load begins.")
)
@click.option("--ttft", type=Duration(0.001), help=_("Bound of the first token, for 95 of 100 answers."))
@click.option("--window", type=Duration(0.1), help=_("How long a load is measured."))
@click.option("--rungs", type=click.IntRange(1), help=_("Loads of a trial at most."))
@click.option("--quality", type=click.Path(path_type=Path), help=_("Labelled prompts, a JSON object a line."))
@click.option("--floor", type=Number(0, 1), help=_("Share of them that must be answered rightly."))
@click.option(
    "--usd-per-hour",
    type=Number(0, min_open=True),
    help=_("What the machine costs; with --most-usd it bounds the budget."),
)
@click.option("--most-usd", type=Number(0, min_open=True), help=_("What all of it may cost."))
@click.option("--search", is_flag=True, help=_("After the ladder search on around its winner; needs the extra `tune`."))
@click.option("--gateway", is_flag=True, help=_("Go through a gateway as the file has it, and tune that too."))
@click.option("--only", metavar="STAGE,…", help=_("Climb these stages alone."))
@click.option("--write", is_flag=True, help=_("Write the winner into the file."))
@click.option("--release", is_flag=True, help=_("Write it and make a release of it, for a rollout with a canary."))
@common("config", "env", "output")
def run(flags: Flags, model: str | None, **given: Any) -> None:
    """The ladder, its search, and the reports."""
    from forebay.tune import session  # noqa: PLC0415  heavy, and --help needs none of it

    loaded = configuration(flags)
    asked = _asked(loaded, model, given)
    if asked.only_plan:
        lines = session.planned(loaded, asked)
        flags.answer(
            lines, lambda: columns((_("STEP"), _("CHANGE"), _("WHY"), _("TIME")), [each.row for each in lines])
        )
        return
    told = session.run(loaded, asked, flags.say, gateway_of)
    if asked.release and told.changed:
        told = _released(flags, told)
    flags.answer(told, lambda: session.table(told))


@tune.command(help=_("Find the highest load that a running service bears within an SLO."))
@click.option(
    "--slo",
    default="ttft=500ms",
    show_default=True,
    metavar="NAME=DURATION,…",
    help=_("Bounds of a good answer: ttft, tpot, e2e."),
)
@click.option(
    "--share",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help=_("Share of answers that must be good."),
)
@click.option(
    "--rate",
    type=Number(0, min_open=True),
    default=1.0,
    show_default=True,
    help=_("Requests a second where the search begins."),
)
@click.option("--input-tokens", default="512", show_default=True, metavar="LENGTHS", help=_("Length of prompts."))
@click.option("--output-tokens", default="128", show_default=True, metavar="LENGTHS", help=_("Length of answers."))
@click.option(
    "--window", type=Duration(0.1), default="10s", show_default=True, help=_("How long one look at a rate takes.")
)
@click.option("--budget", type=Duration(1.0), default="15m", show_default=True, help=_("How long all of it may take."))
@click.option("--url", help=_("Address of the service. Default: the one that runs here."))
@click.option("--model", help=_("Model to ask for. Default: the first of the configuration."))
@click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=_("File with the API key. Default: FOREBAY_API_KEY, or the one here."),
)
@click.option(
    "--ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=_("Certificate that signs the service's. Default: the one here."),
)
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help=_("Write what was measured as JSON."),
)
@common("config", "env", "output")
def slo(flags: Flags, **given: Any) -> None:
    """Exit code 1 where no load keeps the SLO, or the service was lost amid the search."""
    from msgspec import json  # noqa: PLC0415  not needed for --help

    from forebay.cli.bench_asked import target_of  # noqa: PLC0415
    from forebay.cli.sizing import slo_of  # noqa: PLC0415  heavy, and --help needs none of it
    from forebay.tune.load.lengths import parse  # noqa: PLC0415
    from forebay.tune.load.workload import Slo  # noqa: PLC0415
    from forebay.tune.slo import Limits, highest  # noqa: PLC0415
    from forebay.tune.slo_probe import Looked, probe_of  # noqa: PLC0415

    bounds = slo_of(given["slo"])
    if bounds == Slo():
        raise UsageError(_("an SLO without a bound is kept by any load"), fix=_("Write ttft=500ms,tpot=50ms,e2e=3s"))
    target = target_of(flags, {**given, "engine_metrics": ()}, "/v1/completions")
    until_s = time.monotonic() + given["budget"]
    looked = Looked(
        target=target,
        slo=bounds,
        input_tokens=parse(given["input_tokens"]),
        output_tokens=parse(given["output_tokens"]),
        window_s=given["window"],
        say=flags.say,
        until_s=until_s,
    )
    found = highest(probe_of(looked), given["rate"], Limits(share=given["share"]), lambda: time.monotonic() > until_s)
    if given["save"] is not None:
        given["save"].write_bytes(json.encode(found))
    head = (_("REQUESTS/S"), _("VERDICT"), _("GOOD"), _("BETWEEN"), _("LOOKS"))
    rows = [
        (
            f"{each.rate_rps:.3g}",
            each.verdict,
            f"{each.share:.1%}",
            f"{each.low:.1%} - {each.high:.1%}",
            len(each.windows),
        )
        for each in found.rates
    ]
    flags.answer(found, lambda: f"{columns(head, rows)}\n\n{found.why}")
    if found.highest_rps is None or found.ended:
        click.get_current_context().exit(1)


def _released(flags: Flags, told: Told) -> Told:
    """A release of the file as it is now; `forebay apply --release NAME` brings it in by a canary."""
    from msgspec import structs  # noqa: PLC0415  not needed for --help

    from forebay.cli import releasing  # noqa: PLC0415

    reason = _("{model}: tuned for {objective}").format(model=told.model, objective=told.objective.name)
    made = releasing.record(flags, releasing.built(flags).files, reason)
    flags.say(_("release {name}; put it in force with `forebay apply --release {name}`").format(name=made.name))
    return structs.replace(told, release=made.name)


def _asked(loaded: Any, model: str | None, given: dict[str, Any]) -> Asked:
    from forebay.tune.session import Asked  # noqa: PLC0415

    models = list(loaded.config.models)
    if model is None and len(models) != 1:
        raise UsageError(_("name the model to tune"), fix=", ".join(models))
    chosen = model or models[0]
    _whole(given)
    out = given.pop("out") or Path(f"tune-{chosen}-{given['objective']}")
    journal = out / "journal.jsonl"
    if given["resume"] and not journal.exists():
        fix = _("Leave --resume out to begin one, or name the folder of its journal with --out")
        raise StateError(_("there is no ladder to go on with"), where=str(journal), fix=fix)
    if journal.exists() and not given["resume"] and not given["only_plan"]:
        fix = _("Add --resume to go on with it, or name another folder with --out")
        raise StateError(_("there is a journal of an earlier ladder"), where=str(journal), fix=fix)
    only = tuple(name.strip() for name in (given.pop("only") or "").split(",") if name.strip())
    return Asked(model=chosen, out=out, only=only, **given)


def _whole(given: dict[str, Any]) -> None:
    """A bound that could not be kept for want of its other half is told, not left out."""
    if given["most_usd"] is not None and given["usd_per_hour"] is None:
        what = _("--most-usd bounds nothing without the price of an hour")
        raise UsageError(what, fix=_("Add --usd-per-hour"))
    if given["floor"] is not None and given["quality"] is None:
        what = _("--floor bounds nothing without a set of labelled prompts")
        raise UsageError(what, fix=_("Add --quality FILE"))
