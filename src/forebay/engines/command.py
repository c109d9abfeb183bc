"""A vLLM engine of forebay.yaml as the command line and environment that start it. Pure: no files, sockets or clock."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from forebay.config.flags import Release
from forebay.config.schema.engines import VllmDefaults, VllmEngine
from forebay.core.errors import ConfigError, Finding
from forebay.engines.vllm_args import Arg, read
from forebay.messages import N_, _

DEFAULTS = "engine_defaults.vllm"
# Sequences that vLLM runs at once when nobody says: 1024 on 70 GiB and more, but for the A100.
DEFAULT_SEQUENCES = {"b200": 1024, "h200": 1024, "h100": 1024, "cpu": 128}
UNKNOWN_SEQUENCES = 256


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What starts an engine; `{port}` in argv stands for its port, `args` are the operator's flags by name."""

    argv: tuple[str, ...]
    env: dict[str, str]
    args: dict[str, Arg]


def command(
    engine: VllmEngine,
    *,
    served_name: str,
    release: Release,
    defaults: VllmDefaults | None = None,
    gpus: tuple[int, ...] = (),
    where: str = "engine",
) -> Command:
    """Render the engine for its release; ConfigError with every finding when it may not be started so."""
    defaults = defaults or VllmDefaults()
    args, wrong = merged_args(engine, defaults, release, where)
    wrong += env_findings(defaults.env, f"{DEFAULTS}.env", gpus) + env_findings(engine.env, f"{where}.env", gpus)
    if engine.weights.startswith("-"):
        why = _("weights cannot begin with a dash: vLLM would read a flag")
        wrong.append(
            Finding(rule="weights", severity="error", where=f"{where}.weights", why=why, fix=_("Write ./ first"))
        )
    if wrong:
        raise ConfigError(_("the engine cannot be started"), where=where, findings=tuple(wrong))
    env = _environment(engine, gpus) | defaults.env | engine.env
    flags = [*_own_flags(served_name), *_log_level(engine, defaults, release, env)]
    if "--shutdown-timeout" in release:
        flags += ["--shutdown-timeout", str(math.ceil(engine.shutdown))]
    # The gateway writes the access log; a scrape every two seconds would bury the engine's own lines.
    if "--disable-uvicorn-access-log" not in args:
        flags.append("--disable-uvicorn-access-log")
    flags += [word for _name, arg in sorted(args.items()) for word in arg.words]
    return Command(argv=(*engine.program, engine.weights, *flags), env=dict(sorted(env.items())), args=args)


def merged_args(
    engine: VllmEngine, defaults: VllmDefaults, release: Release, where: str
) -> tuple[dict[str, Arg], list[Finding]]:
    """The engine's flags over the defaults', by canonical name, with everything wrong in either."""
    trusted = engine.weights in engine.trusted_code
    general, general_wrong = read(defaults.args, release, f"{DEFAULTS}.args", trusted=trusted)
    own, own_wrong = read(engine.args, release, f"{where}.args", trusted=trusted)
    return general | own, general_wrong + own_wrong


def sequences(args: Mapping[str, Arg], hardware: str | None = None) -> int:
    """How many sequences the engine runs at once, over all its data-parallel ranks."""
    ranks = args["--data-parallel-size"].number if "--data-parallel-size" in args else 1
    given = args.get("--max-num-seqs")
    return ranks * (given.number if given else DEFAULT_SEQUENCES.get(hardware or "", UNKNOWN_SEQUENCES))


def env_findings(env: Mapping[str, str], where: str, gpus: tuple[int, ...]) -> list[Finding]:
    """Variables that forebay refuses to hand to an engine."""
    refused = {name: REFUSED_ENV[name] for name, value in env.items() if name in REFUSED_ENV and value not in ("", "0")}
    if gpus and "CUDA_VISIBLE_DEVICES" in env:
        refused["CUDA_VISIBLE_DEVICES"] = N_("gpus already says which GPUs the engine has")
    return [
        Finding(
            rule="env_refused",
            severity="error",
            where=f"{where}.{name}",
            why=_("{name} is refused: {reason}").format(name=name, reason=_(reason)),
            fix=_("Remove it"),
        )
        for name, reason in refused.items()
    ]


REFUSED_ENV = {
    "VLLM_SERVER_DEV_MODE": N_("it opens routes that put the engine to sleep and call into its workers"),
    "VLLM_ALLOW_INSECURE_SERIALIZATION": N_("it lets a message run code in the engine"),
    "VLLM_API_KEY": N_("keys are checked at the gateway, whose own calls the engine would refuse"),
}


def _own_flags(served_name: str) -> list[str]:
    return ["--host", "{host}", "--port", "{port}", "--served-model-name", served_name]


def _log_level(engine: VllmEngine, defaults: VllmDefaults, release: Release, env: dict[str, str]) -> list[str]:
    """The flag where the release has one, else the variable; the operator's own variable beats both."""
    if "VLLM_LOGGING_LEVEL" in env:
        return []
    own = engine.log_level if "log_level" in engine.model_fields_set else None
    level = (own or defaults.log_level or engine.log_level).upper()
    if "--log-level" in release:
        return ["--log-level", level]
    env["VLLM_LOGGING_LEVEL"] = level
    return []


def _environment(engine: VllmEngine, gpus: tuple[int, ...]) -> dict[str, str]:
    env: dict[str, str] = {}
    if not engine.usage_reporting:
        env |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if engine.offline:
        env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if engine.modelscope:
        env["VLLM_USE_MODELSCOPE"] = "True"
    if gpus:
        # Without the order, CUDA numbers the fastest GPU first and `gpus` would mean others than nvidia-smi shows.
        env |= {"CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus)), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    if engine.socket_interface:
        env |= {"NCCL_SOCKET_IFNAME": engine.socket_interface, "GLOO_SOCKET_IFNAME": engine.socket_interface}
    return env
