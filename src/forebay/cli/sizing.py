"""What `forebay capacity` is told, as values: the load, the objective, the demand, and what one engine is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from forebay.cli.flags import Duration, Flags
from forebay.cli.wiring import configuration
from forebay.config.load import Loaded
from forebay.config.schema.engines import VllmEngine
from forebay.config.weights import Weights, weights, weights_of_config
from forebay.core.errors import StateError, UsageError
from forebay.messages import _
from forebay.tune.capacity.accelerators import accelerator
from forebay.tune.capacity.analytic import Build, engine, served
from forebay.tune.capacity.demand import Demand, day, read_day
from forebay.tune.load.lengths import parse
from forebay.tune.load.workload import Slo, Workload, check
from forebay.tune.simulate.spec import EngineShape

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of engine that a plan may be made of. `power_w`: of one GPU."""

    kind: str
    gpus: int
    shape: EngineShape
    power_w: float = 0.0


def load_options(function: F) -> F:
    """How long calls are, and what a good one keeps."""
    for option in reversed(
        (
            click.option(
                "--input-tokens", default="512", show_default=True, metavar="LENGTHS", help=_("Length of prompts.")
            ),
            click.option(
                "--output-tokens", default="128", show_default=True, metavar="LENGTHS", help=_("Length of answers.")
            ),
            click.option(
                "--shared-prefix",
                type=float,
                default=0.0,
                show_default=True,
                help=_("Share of a prompt that all have."),
            ),
            click.option("--turns", type=int, default=1, show_default=True, help=_("Requests of a session.")),
            click.option("--seed", type=int, default=1, show_default=True, help=_("The same seed plays the same.")),
            click.option("--slo", metavar="NAME=DURATION,…", help=_("Bounds of a good answer: ttft, tpot, e2e.")),
            click.option(
                "--attain",
                type=float,
                default=0.95,
                show_default=True,
                help=_("Share of the calls that must keep the bounds."),
            ),
        )
    ):
        function = option(function)
    return function


def engine_options(function: F) -> F:
    """What one engine is where nothing was measured."""
    for option in reversed(
        (
            click.option("--engine", "shape", type=FILE, help=_("An engine as `capacity calibrate` wrote it.")),
            click.option("--weights", help=_("Folder or config.json of the model. Default: the configuration's.")),
            click.option("--hardware", multiple=True, help=_("Accelerator, such as h100; several are compared.")),
            click.option("--gpus", type=click.IntRange(1), help=_("GPUs of one engine (tensor parallel).")),
            click.option("--fp8-weights", is_flag=True, help=_("Weights of 8 bits.")),
            click.option("--fp8-cache", is_flag=True, help=_("A KV cache of 8 bits.")),
            click.option("--max-sequences", type=click.IntRange(1), help=_("vLLM's max-num-seqs.")),
            click.option("--max-batched-tokens", type=click.IntRange(1), help=_("vLLM's max-num-batched-tokens.")),
        )
    ):
        function = option(function)
    return function


def load_of(given: dict[str, Any]) -> Workload:
    """The calls, without a rate; UsageError where they ask for nothing."""
    load = Workload(
        input_tokens=parse(given["input_tokens"]), output_tokens=parse(given["output_tokens"]),
        shared_prefix_share=given["shared_prefix"], turns=given["turns"], seed=given["seed"],
    )  # fmt: skip
    check(load)
    return load


def slo_of(text: str | None) -> Slo:
    """`ttft=500ms,e2e=3s`; UsageError names the bounds that there are."""
    found: dict[str, float] = {}
    for part in (text or "").split(",") if text else ():
        name, _equals, bound = part.strip().partition("=")
        if name not in {"ttft", "tpot", "e2e"}:
            raise UsageError(_("{name!r} is no bound").format(name=name), fix=_("Write ttft=500ms,tpot=50ms,e2e=3s"))
        found[f"{name}_ms"] = Duration()(bound) * 1000
        if not found[f"{name}_ms"] > 0:
            raise UsageError(_("no call keeps a bound of 0"), fix=_("Write ttft=500ms,tpot=50ms,e2e=3s"))
    return Slo(**found)


def count(text: str) -> float:
    """`10M`, `500k`, `10e6` or a plain number; UsageError otherwise."""
    digits, times = (text[:-1], _MULTIPLES[text[-1]]) if text[-1:] in _MULTIPLES else (text, 1.0)
    try:
        found = float(digits.replace("_", "").replace(",", "")) * times
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise UsageError(_("{text!r} is no number").format(text=text), fix=_("Write 10M or 10000000"))
    return found


def demand_of(given: dict[str, Any]) -> Demand:
    """The day: a file, or a sum and a peak."""
    if given["day"] is not None:
        return read_day(given["day"])
    if given["per_day"] is None and given["peak"] is None:
        fix = _("Give --per-day 10M --peak 500, or --day FILE")
        raise UsageError(_("how many calls are to be carried?"), fix=fix, code="no_demand")
    if given["per_day"] is None:
        # A flat day: nothing but the peak is known.
        return day(given["peak"] * 86_400.0, given["peak"])
    per_day = count(given["per_day"])
    # Without a peak: twice the mean, which a day with people on one side of the world comes to at least.
    peak = given["peak"] if given["peak"] is not None else 2 * per_day / 86_400
    return day(per_day, peak, given["peak_hour"])


def candidates(flags: Flags, given: dict[str, Any]) -> list[Candidate]:
    """The engines that the options name, else the one of the configuration."""
    for name in given["hardware"]:
        accelerator(name)  # a slip of the pen is told before anything else that is missing
    if given["shape"] is not None:
        name = given["hardware"][0] if given["hardware"] else ""
        watts = accelerator(name).power_w if name else 0.0
        return [
            Candidate(
                kind=name or given["shape"].stem,
                gpus=given["gpus"] or 1,
                shape=read_shape(given["shape"]),
                power_w=watts,
            )
        ]
    if given["weights"] is not None:
        if not given["hardware"]:
            raise UsageError(_("on which accelerator?"), fix=_("Add --hardware h100, once for each to compare"))
        facts = weights_of_config(Path(given["weights"]), given["weights"])
        builds = [_build(name, given, {}) for name in given["hardware"]]
        return [_candidate(facts, given["weights"], build) for build in builds]
    return list(_configured(configuration(flags), given))


def read_shape(path: Path) -> EngineShape:
    """An engine that `capacity calibrate` wrote; StateError where the file is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=EngineShape)
    except (OSError, msgspec.MsgspecError) as error:
        fix = _("`forebay capacity calibrate` writes one")
        raise StateError(_("this is no engine: {error}").format(error=error), where=str(path), fix=fix) from error


def _configured(loaded: Loaded, given: dict[str, Any]) -> Iterator[Candidate]:
    """The first vLLM engine of the configuration, on its hardware or on those that are named."""
    found = ((name, each) for name, model in loaded.config.models.items() for each in model.engines)
    model, chosen = next(((name, each) for name, each in found if isinstance(each, VllmEngine)), ("", None))
    names = given["hardware"] or ([loaded.config.hardware] if loaded.config.hardware not in {None, "cpu"} else [])
    if chosen is None or not names:
        what = _("the configuration names no vLLM engine on an accelerator")
        fix = _("Give --instance-rps, --run, --engine, or --weights with --hardware")
        raise UsageError(what, fix=fix, code="no_engine")
    facts = weights(chosen.weights, loaded.path.resolve().parent)
    if facts is None:
        fix = _("Give --weights FOLDER --hardware NAME, or what was measured with --run")
        raise UsageError(_("nothing is known about the weights of {model}").format(model=model), fix=fix)
    args = {**loaded.config.engine_defaults.vllm.args, **chosen.args}
    for name in names:
        yield _candidate(facts, chosen.weights, _build(name, given, args))


def _candidate(facts: Weights, name: str, build: Build) -> Candidate:
    return Candidate(
        kind=build.accelerator, gpus=build.gpus, shape=engine(served(facts, name), build),
        power_w=accelerator(build.accelerator).power_w,
    )  # fmt: skip


def _build(name: str, given: dict[str, Any], args: dict[str, Any]) -> Build:
    usual = Build(accelerator=name)
    return Build(
        accelerator=name,
        gpus=given["gpus"] or int(args.get("tensor-parallel-size", 1)),
        eager=args.get("enforce-eager") is True,
        fp8_weights=given["fp8_weights"] or args.get("quantization") == "fp8",
        fp8_cache=given["fp8_cache"] or str(args.get("kv-cache-dtype", "")).startswith("fp8"),
        memory_share=float(args.get("gpu-memory-utilization", usual.memory_share)),
        max_sequences=given["max_sequences"] or int(args.get("max-num-seqs", usual.max_sequences)),
        max_batched_tokens=given["max_batched_tokens"]
        or int(args.get("max-num-batched-tokens", usual.max_batched_tokens)),
    )
