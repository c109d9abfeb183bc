"""What an operator runs today as engines of forebay.yaml: values that are true stay, each change is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from forebay.core.errors import Finding
from forebay.core.units import show_duration
from forebay.engines.command import REFUSED_ENV
from forebay.engines.vllm_args import DANGEROUS, OWNED
from forebay.lint.foreign.check import Engine
from forebay.messages import _

_GPU_VARIABLE = "CUDA_VISIBLE_DEVICES"
# Of a shell's environment what concerns an engine; the rest is the shell's own.
_ENGINE_VARIABLE = re.compile(
    r"(VLLM|NCCL|GLOO|CUDA|TORCH|PYTORCH|OMP|UCX|TOKENIZERS|TRANSFORMERS|HF|LMCACHE|FLASHINFER)_"
)
_SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "VLLM_API_KEY")
_LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "warn": "warning",
    "error": "error",
    "critical": "error",
}
# Left to vLLM today; a profile would set them otherwise.
_KEPT_DEFAULTS = ("gpu-memory-utilization", "dtype", "kv-cache-dtype")


class Adopted(msgspec.Struct, kw_only=True):
    """One engine to be: its keys in the order of the file, and what was changed on the way."""

    name: str
    aliases: list[str]
    keys: dict[str, object]
    args: dict[str, object]
    gpus: list[int] | None
    line: int
    count: int = 1
    need: int = 1


def adopt(engines: Iterable[Engine], tell: list[str]) -> list[Adopted]:
    """One entry for each different engine; `tell` gets what was changed, in the operator's language."""
    kept: dict[str, Adopted] = {}
    by_line: dict[tuple[str, int], str] = {}
    for engine in engines:
        if not engine.served.model or (engine.read.model is not None and not engine.read.model.known):
            tell.append(_("{where}: no model is known: left out").format(where=engine.served.locate("")))
            continue
        notes: list[str] = []
        one = _adopted(engine, notes)
        same = repr((one.name, one.keys, sorted(one.args.items(), key=str)))
        place = (engine.launch.key, engine.launch.line)
        if by_line.setdefault(place, same) != same:
            where = engine.served.locate("")
            tell.append(_("{where}: another branch starts it otherwise: the first is kept").format(where=where))
        elif same in kept:
            kept[same].count += 1
            kept[same].gpus = [*(kept[same].gpus or []), *(one.gpus or [])] or None
        else:
            kept[same] = one
            tell += notes
    _number_gpus(list(kept.values()), tell)
    return list(kept.values())


def _adopted(engine: Engine, tell: list[str]) -> Adopted:
    served, launch = engine.served, engine.launch
    keys: dict[str, object] = {"kind": "vllm", "weights": served.model, "release": served.release}
    names = served.args.get("served-model-name")
    names = [str(name) for name in names] if isinstance(names, list) and names else [served.model]
    name = public_name(names[0])
    if name != names[0]:
        tell.append(_("the model is called {name}").format(name=name))
    tell += [_left_out(finding) for finding in engine.read.findings if finding.severity == "error"]
    keys |= dict(_program(engine, tell))
    keys |= dict(_own_keys(engine, tell))
    args = dict(_args(engine, tell))
    if args.get("trust-remote-code"):
        keys["trusted_code"] = [served.model]
    env = dict(_environment(launch.env, tell))
    keys |= {"env": env} if env else {}
    need = served.gpus_per_copy * max(1, served.count("data-parallel-size", 1))
    gpus = _listed(launch.env.get(_GPU_VARIABLE, ""))
    aliases = [public_name(each) for each in names[1:]]
    return Adopted(name=name, aliases=aliases, keys=keys, args=args, gpus=gpus, need=need, line=launch.line)


def public_name(text: str) -> str:
    """A name that clients may ask for: a hub id as it is, of a path its last part."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*\w", text):
        text = text.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._/-]+", "-", text).strip("-._/")[:127] or "model"


def _program(engine: Engine, tell: list[str]) -> Iterator[tuple[str, object]]:
    launch = engine.launch
    if launch.container is not None:
        tell.append(
            _("{image}: forebay starts `vllm serve` of an installed vLLM {release}, not a container").format(
                image=launch.container.image or launch.key, release=engine.served.release
            )
        )
        return
    vllm = next((word for word in launch.program if word.endswith("/vllm")), None)
    if vllm is not None:
        yield "program", [vllm, "serve"]
    elif launch.program and "-m" in launch.program:
        tell.append(_("{words}: becomes `vllm serve`").format(words=" ".join(launch.program[-3:])))


def _own_keys(engine: Engine, tell: list[str]) -> Iterator[tuple[str, object]]:
    """What forebay has keys of its own for: log level, shutdown, start, hubs."""
    served, launch = engine.served, engine.launch
    level = served.args.get("log-level") or engine.read.unknown.get("log-level")
    level = level or launch.env.get("VLLM_LOGGING_LEVEL")
    if level and str(level).lower() in _LEVELS:
        yield "log_level", _LEVELS[str(level).lower()]
        tell.append(_("log level {level}: becomes log_level").format(level=level))
    seconds = served.count("shutdown-timeout", 0)
    if seconds:
        yield "shutdown", f"{seconds}s"
    health = launch.container.health if launch.container is not None else None
    if health is not None and health.start_s:
        start_s = max(health.patience_s, 900.0)
        yield "start", show_duration(start_s)
        tell.append(_("start_period: engines have {start} to start").format(start=show_duration(start_s)))
    if not served.model.startswith(("/", "./", "../", "~")):
        yield "offline", launch.env.get("HF_HUB_OFFLINE") == "1"
    if launch.env.get("VLLM_USE_MODELSCOPE", "").lower() in ("true", "1"):
        yield "modelscope", True


def _args(engine: Engine, tell: list[str]) -> Iterator[tuple[str, object]]:
    """The flags that stay."""
    trusted = "--trust-remote-code"
    for flag, value in engine.served.args.items():
        name = "--" + flag.partition(".")[0]
        if value is None:
            continue
        if name in OWNED:
            if flag not in ("log-level", "shutdown-timeout", "served-model-name"):
                shown = "…" if flag in ("api-key", "hf-token") else value
                words = {"name": name, "value": shown, "reason": _(OWNED[name])}
                tell.append(_("{name} {value}: left out. {reason}").format(**words))
        elif name in DANGEROUS and name != trusted and value:
            tell.append(_("{name}: left out, {reason}").format(name=name, reason=_(DANGEROUS[name])))
        else:
            if name == trusted and value:
                tell.append(_("{name}: stays, for these weights alone (trusted_code)").format(name=name))
            yield flag, value
    for flag in _KEPT_DEFAULTS:
        known = engine.served.flags.flags.get(f"--{flag}") if engine.served.flags is not None else None
        if flag not in engine.served.args and flag not in engine.read.gaps and known is not None and known.default:
            yield flag, known.default


def _environment(env: dict[str, str], tell: list[str]) -> Iterator[tuple[str, str]]:
    told = (_GPU_VARIABLE, "NVIDIA_VISIBLE_DEVICES", "VLLM_LOGGING_LEVEL", "VLLM_USE_MODELSCOPE", "HF_HUB_OFFLINE")
    for name, value in sorted(env.items()):
        if name in told or not _ENGINE_VARIABLE.match(name):
            continue
        if name in _SECRETS:
            tell.append(_("{name}: left out, a secret does not belong into this file").format(name=name))
        elif name in REFUSED_ENV and value not in ("", "0"):
            tell.append(_("{name}: left out, {reason}").format(name=name, reason=_(REFUSED_ENV[name])))
        elif value.isprintable():
            yield name, value


def _left_out(finding: Finding) -> str:
    advice = f" ({finding.fix})" if finding.fix else ""
    return _("{where}: left out. {why}").format(where=finding.where, why=finding.why) + advice


def _listed(text: str) -> list[int] | None:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [int(part) for part in parts] if parts and all(part.isdigit() for part in parts) else None


def _number_gpus(engines: list[Adopted], tell: list[str]) -> None:
    """Engines that cut their model get GPUs of their own, in order, where the source names none that fit."""
    taken: set[int] = set()
    for engine in engines:
        want = engine.need * engine.count
        given = engine.gpus or []
        if len(given) == want and len(set(given)) == want and not taken & set(given):
            taken |= set(given)
            continue
        engine.gpus = None
        if engine.need > 1 or given:
            free = [gpu for gpu in range(want + len(taken) + max(taken, default=0) + 1) if gpu not in taken][:want]
            engine.gpus = free
            taken |= set(free)
            tell.append(_("{name} gets GPUs of its own: {gpus}").format(name=engine.name, gpus=free))
