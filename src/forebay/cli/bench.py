"""`forebay bench`: measure a service under load, compare two measurements, read those of other tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from forebay.cli.bench_asked import target_of, workload_of
from forebay.cli.bench_shown import answered, comparison_table, live
from forebay.cli.flags import Duration, Flags, common
from forebay.cli.sizing import slo_of
from forebay.messages import _
from forebay.tune.load import ClientLimits, Workload, measure
from forebay.tune.load.workload import check
from forebay.tune.report.compare import compare as compared
from forebay.tune.report.foreign import read_foreign
from forebay.tune.report.measured import Measured, encode, read, read_all
from forebay.tune.report.page import page

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(dir_okay=False, path_type=Path)
_PATHS = {
    "completions": "/v1/completions",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
}


@click.group(help=_("Measure a service under load, and compare measurements."))
def bench() -> None:
    """The noun; its verbs follow."""


@bench.command(help=_("Send a load and measure. Without options: the service that runs here, four requests at a time."))
@click.option("--url", help=_("Address of the service. Default: the one that runs here."))
@click.option("--model", help=_("Model to ask for. Default: the first of the configuration."))
@click.option("--key-file", type=_FILE, help=_("File with the API key. Default: FOREBAY_API_KEY, or the one here."))
@click.option("--ca-file", type=_FILE, help=_("Certificate that signs the service's. Default: the one here."))
@click.option(
    "--route", type=click.Choice(list(_PATHS)), default="chat", show_default=True, help=_("What is asked for.")
)
@click.option("--engine-metrics", multiple=True, metavar="URL", help=_("Metrics page of an engine; may be repeated."))
@click.option("--concurrency", type=int, help=_("Requests at a time, each begun when one has ended."))
@click.option("--rate", metavar="R[,R…]", help=_("Requests a second, whatever becomes of them. Several: one run each."))
@click.option(
    "--arrivals",
    type=click.Choice(["constant", "poisson", "gamma"]),
    default="poisson",
    show_default=True,
    help=_("How they are spread."),
)
@click.option("--burstiness", type=float, default=1.0, show_default=True, help=_("Of gamma: below 1 come bursts."))
@click.option("--ramp", metavar="FROM:TO", help=_("A rate that changes evenly over the duration."))
@click.option("--step", "steps", multiple=True, metavar="RATE:SECONDS", help=_("A rate for a while; may be repeated."))
@click.option("--trace", type=_FILE, help=_("Play a recorded load: Azure, BurstGPT or Mooncake."))
@click.option("--speed", type=float, default=1.0, show_default=True, help=_("How fast a trace is played."))
@click.option("--input-tokens", default="256", show_default=True, metavar="LENGTHS", help=_("Length of prompts."))
@click.option("--output-tokens", default="64", show_default=True, metavar="LENGTHS", help=_("Length of answers."))
@click.option("--shared-prefix", type=float, default=0.0, show_default=True, help=_("Share of a prompt that all have."))
@click.option(
    "--shared-prefixes", type=int, default=1, show_default=True, help=_("How many such beginnings there are.")
)
@click.option(
    "--repeats", type=float, default=0.0, show_default=True, help=_("Share of requests that say what was said before.")
)
@click.option("--turns", type=int, default=1, show_default=True, help=_("Requests of a session."))
@click.option("--think", type=Duration(), default="0s", show_default=True, help=_("Between turns."))
@click.option("--images", metavar="COUNTxWIDTHxHEIGHT", help=_("Pictures in every request."))
@click.option("--adapter", "adapters", multiple=True, help=_("A model's adapter to ask for in turn; may be repeated."))
@click.option("--duration", type=Duration(), help=_("How long requests begin. Default: 20s unless --requests."))
@click.option("--requests", type=int, help=_("How many requests at most."))
@click.option("--warm-up", type=Duration(), default="0s", show_default=True, help=_("What is cut at the beginning."))
@click.option("--request-timeout", type=Duration(), default="10m", show_default=True, help=_("For one answer."))
@click.option("--seed", type=int, default=1, show_default=True, help=_("The same seed sends the same requests."))
@click.option("--stop-at-eos", is_flag=True, help=_("Let answers end where the model ends them."))
@click.option("--no-stream", is_flag=True, help=_("Ask for whole answers."))
@click.option("--slo", metavar="NAME=DURATION,…", help=_("Bounds of a good answer: ttft, tpot, e2e."))
@click.option("--workload", "workload_file", type=_FILE, help=_("The whole load as JSON, in place of its options."))
@click.option("--processes", type=click.IntRange(1, 256), help=_("Of the generator. Default: by the load."))
@click.option("--most-lag", type=Duration(), default="10ms", show_default=True, help=_("How late it may be, P99."))
@click.option("--save", type=_NEW, metavar="FILE", help=_("Write the measurement as JSON."))
@click.option("--html", type=_NEW, metavar="FILE", help=_("Write a report with plots."))
@common("config", "env", "output", "dry_run")
def run(flags: Flags, **given: Any) -> None:
    """Each rate is a run of its own; all go into one report."""
    loads = workload_of(given)
    for load in loads:
        check(load)
    if flags.dry_run:
        flags.answer(loads[0] if len(loads) == 1 else loads)
        return
    target = target_of(flags, given, _PATHS[given["route"]])
    limits = ClientLimits(lag_p99_ms=given["most_lag"] * 1000)
    bounds = None if given["slo"] is None else slo_of(given["slo"])
    runs = []
    for load in loads:
        with live(flags, load) as tell:
            processes = given["processes"] or _processes(load)
            runs.append(measure(target, load, processes=processes, slo=bounds, progress=tell, limits=limits))
    if given["save"] is not None:
        given["save"].write_bytes(encode(runs))
    _write_page(flags, given["html"], runs)
    answered(flags, runs)


@bench.command(help=_("Say whether B is better than A, the same within noise, or worse; measure by measure."))
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option("--html", type=_NEW, metavar="FILE", help=_("Write a report with both."))
@common("output")
def compare(flags: Flags, before: Path, after: Path, html: Path | None) -> None:
    """Both are files of `bench run --save` or `bench import --save`."""
    first, second = read(before), read(after)
    found = compared(first, second)
    _write_page(flags, html, [first, second])
    flags.answer(found, lambda: comparison_table(found))


@bench.command("import", help=_("Read a result of GuideLLM, AIPerf or vllm bench, its names converted to ours."))
@click.argument("file", type=_FILE)
@click.option("--save", type=_NEW, metavar="FILE", help=_("Write the measurement as JSON."))
@click.option("--html", type=_NEW, metavar="FILE", help=_("Write a report with plots."))
@common("output")
def import_result(flags: Flags, file: Path, save: Path | None, html: Path | None) -> None:
    """What the other tool does not tell stays empty."""
    runs = read_foreign(file)
    if save is not None:
        save.write_bytes(encode(runs))
    _write_page(flags, html, runs)
    answered(flags, runs)


@bench.command(help=_("Write one report of measurements: plots against the load, or before and after."))
@click.argument("files", type=_FILE, nargs=-1, required=True)
@click.option("--html", type=_NEW, metavar="FILE", required=True, help=_("Where to write it."))
@common()
def report(flags: Flags, files: tuple[Path, ...], html: Path) -> None:
    """In the order in which they are named."""
    _write_page(flags, html, [run for file in files for run in read_all(file)])


def _write_page(flags: Flags, where: Path | None, runs: list[Measured]) -> None:
    if where is not None:
        where.write_text(page(runs), "utf-8")
        flags.say(_("report: {file}").format(file=where))


def _processes(load: Workload) -> int:
    """Enough that none uses half a core, by what a token was measured to cost; never more than cores."""
    come = load.arrivals
    rate_rps = max(come.rate_rps, come.to_rate_rps or 0.0, *(step.rate_rps for step in come.steps))
    if load.arrivals.shape == "closed":
        return max(1, min(os.cpu_count() or 1, load.arrivals.concurrency // 256))
    tokens_per_s = rate_rps * min(load.output_tokens.largest, 4096)
    return max(1, min(os.cpu_count() or 1, round(tokens_per_s * 40e-6 / 0.5)))
