"""What `forebay bench run` is told, as a load and a target."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from forebay.cli.flags import Flags
from forebay.cli.wiring import configuration, state_dir
from forebay.controller.status import Status, read_status
from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.load import Arrivals, Images, Step, Target, Workload
from forebay.tune.load.lengths import parse

KEY_VARIABLE = "FOREBAY_API_KEY"
_USUAL_S = 20.0
_USUAL_CONCURRENCY = 4


def workload_of(given: dict[str, Any]) -> list[Workload]:
    """The loads that the options ask for: one, or one for each of several rates."""
    if given["workload_file"] is not None:
        try:
            return [msgspec.json.decode(given["workload_file"].read_bytes(), type=Workload)]
        except msgspec.MsgspecError as error:
            raise UsageError(str(error), where=str(given["workload_file"])) from error
    requests, duration = given["requests"], given["duration"]
    endless = given["trace"] is not None or given["steps"]
    usual_s = None if requests is not None or endless else _USUAL_S
    load = Workload(
        input_tokens=parse(given["input_tokens"]),
        output_tokens=parse(given["output_tokens"]),
        shared_prefix_share=given["shared_prefix"],
        shared_prefixes=given["shared_prefixes"],
        repeat_share=given["repeats"],
        turns=given["turns"],
        think_s=given["think"],
        duration_s=usual_s if duration is None else duration,
        requests=requests,
        warm_up_s=given["warm_up"],
        seed=given["seed"],
        ignore_eos=not given["stop_at_eos"],
        stream=not given["no_stream"],
        images=_images(given["images"]),
        adapters=given["adapters"],
        timeout_s=given["request_timeout"],
    )
    return [msgspec.structs.replace(load, arrivals=come) for come in _arrivals(given)]


def target_of(flags: Flags, given: dict[str, Any], path: str) -> Target:
    """The service that the options name; what they leave out is that of the one that runs here."""
    url = given["url"]
    status = read_status(state_dir(flags).status) if url is None else None
    if url is None and (status is None or not status.edge.url):
        raise UsageError(_("nothing runs here to be measured"), fix=_("Run `forebay up`, or name it with --url"))
    model = given["model"] or (None if status is None else next(iter(configuration(flags).config.models)))
    if model is None:
        raise UsageError(_("which model is to be asked?"), fix=_("Name it with --model"))
    ca_file = given["ca_file"]
    if ca_file is None and status is not None and status.edge.url.startswith("https"):
        ca_file = state_dir(flags).tls / "ca.pem"
    pages = given["engine_metrics"] or (() if status is None else _pages(status, model))
    return Target(
        url=(url or status.edge.url).rstrip("/") if status is not None else url.rstrip("/"),
        model=model,
        key=_key(flags, given["key_file"], here=status is not None),
        path=path,
        ca_file="" if ca_file is None else str(ca_file),
        engine_metrics_urls=tuple(pages),
    )


def _arrivals(given: dict[str, Any]) -> list[Arrivals]:
    asked = [name for name in ("concurrency", "rate", "ramp", "steps", "trace") if given[name] not in (None, ())]
    if len(asked) > 1:
        raise UsageError(_("a load comes one way: {names} exclude one another").format(names=", ".join(asked)))
    if given["trace"] is not None:
        return [Arrivals(shape="trace", trace=str(given["trace"]), speed=given["speed"])]
    if given["steps"]:
        steps = [_pair(text, "--step") for text in given["steps"]]
        return [Arrivals(shape="steps", steps=tuple(Step(rate_rps=rate, duration_s=time) for rate, time in steps))]
    if given["ramp"] is not None:
        first, last = _pair(given["ramp"], "--ramp")
        return [Arrivals(shape="ramp", rate_rps=first, to_rate_rps=last)]
    if given["rate"] is not None:
        rates = [_number(text, "--rate") for text in given["rate"].split(",")]
        return [Arrivals(shape=given["arrivals"], rate_rps=rate, burstiness=given["burstiness"]) for rate in rates]
    return [Arrivals(shape="closed", concurrency=given["concurrency"] if asked else _USUAL_CONCURRENCY, hold=True)]


def _pages(status: Status, model: str) -> tuple[str, ...]:
    return tuple(f"{each.url}/metrics" for each in status.engines if each.model == model and each.state == "ready")


def _key(flags: Flags, key_file: Path | None, *, here: bool) -> str:
    if key_file is not None:
        return key_file.read_text("utf-8").strip()
    if key := os.environ.get(KEY_VARIABLE):
        return key
    dev_key = state_dir(flags).dev_key
    return dev_key.read_text("utf-8").strip() if here and dev_key.exists() else ""


def _images(text: str | None) -> Images | None:
    if text is None:
        return None
    try:
        count, width, height = (int(each) for each in text.lower().split("x"))
    except ValueError:
        raise UsageError(
            _("{text!r} are no images").format(text=text), fix=_("Write COUNTxWIDTHxHEIGHT, such as 1x512x512")
        ) from None
    return Images(count=count, width=width, height=height)


def _pair(text: str, option: str) -> tuple[float, float]:
    first, colon, second = text.partition(":")
    if not colon:
        what = _("{option}: {text!r} is no pair of numbers").format(option=option, text=text)
        raise UsageError(what, fix=_("Write both with a colon between them, such as 5:60"))
    return _number(first, option), _number(second, option)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(_("{option}: {text!r} is no number").format(option=option, text=text)) from None
