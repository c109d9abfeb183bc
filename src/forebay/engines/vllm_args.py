"""The operator's `args` of a vLLM engine, read for one release: what was chosen, and everything wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from forebay.config.flag_values import fault, words
from forebay.config.flags import Flag, Release, lifetime, number
from forebay.config.provenance import show_path
from forebay.core.errors import Finding
from forebay.messages import N_, _


class Arg(msgspec.Struct, frozen=True, kw_only=True):
    """One flag with its value; `name` differs from the flag's own where a `.key` follows."""

    flag: Flag
    name: str
    value: Any

    @property
    def number(self) -> int:
        """The value of a flag that counts."""
        return self.value if isinstance(self.value, int) else number(str(self.value))

    @property
    def words(self) -> tuple[str, ...]:
        return words(self.flag, self.value, name=self.name)


def read(
    args: Mapping[str, Any], release: Release, where: str, *, trusted: bool = False
) -> tuple[dict[str, Arg], list[Finding]]:
    """Read `args` by canonical name, with the findings that forbid starting so.

    `trusted`: code that comes with the weights may run.
    """
    chosen: dict[str, Arg] = {}
    findings: list[Finding] = []
    for key, value in args.items():
        place = f"{where}.{show_path((key,))}"
        read_one = _arg(key, value, release, place)
        if trusted and isinstance(read_one, Finding) and _is_trust(key, release):
            read_one = Arg(flag=release["--trust-remote-code"], name="--trust-remote-code", value=value)
        if isinstance(read_one, Finding):
            findings.append(read_one)
        elif read_one.name in chosen:
            findings.append(
                _error(
                    "flag_twice", place, _("{name} is given twice").format(name=read_one.name), _("Keep one of them")
                )
            )
        else:
            chosen[read_one.name] = read_one
    return chosen, findings


def _arg(key: str, value: Any, release: Release, where: str) -> Arg | Finding:
    found = release.find(key)
    name = found.flag.name if found else "--" + _key(key)
    if name in OWNED:
        return _error("flag_owned", where, _("{name} is forebay's to set").format(name=name), _(OWNED[name]))
    if found is None:
        return _unknown(key, release, where)
    flag = found.flag
    if found.abbreviated:
        return _error(
            "flag_abbreviated",
            where,
            _("{key} abbreviates {name}; another release may read it otherwise").format(key=key, name=flag.name),
            _("Write {name}").format(name=_key(flag.name)),
        )
    if found.negated and isinstance(value, bool):
        value = not value
    nested = key.partition(".")[2]
    if refusal := _refused(flag, value, where):
        return refusal
    if why := "" if nested and isinstance(value, bool) else fault(flag, value):
        return _error("flag_value", where, why, HINTS.get((flag.name, str(value)), ""))
    return Arg(flag=flag, name=f"{flag.name}.{nested}" if nested else flag.name, value=value)


def _is_trust(key: str, release: Release) -> bool:
    found = release.find(key)
    return found is not None and found.flag.name == "--trust-remote-code" and not found.abbreviated


def _unknown(key: str, release: Release, where: str) -> Finding:
    name = "--" + _key(key)
    life = lifetime(name)
    if life is None:
        why = _("vLLM {release} has no flag {name}").format(release=release.version, name=name)
    else:
        why = _("vLLM {release} has no flag {name}, which exists from {first} to {last}").format(
            release=release.version, name=name, first=life[0], last=life[1]
        )
    meant = release.successor(name) or release.nearest(name)
    if several := release.abbreviates(name):
        fix = _("Write one of {names}").format(names=", ".join(map(_key, several[:6])))
    elif meant:
        fix = _("Write {name} instead").format(name=_key(meant))
    else:
        fix = _("Remove it")
    return _error("flag_unknown", where, why, fix)


# Flags whose value is forebay's to choose, and the key that sets it.
OWNED = {
    "--host": N_("The engine listens on 127.0.0.1; set edge.bind or gateway.bind"),
    "--port": N_("Set the engine's port"),
    "--uds": N_("Remove it: the gateway reaches engines by port"),
    "--model": N_("Set the engine's weights"),
    "--served-model-name": N_("Set the model's name or its aliases, under models"),
    "--api-key": N_("Remove it: keys are checked at the gateway (forebay key create)"),
    "--hf-token": N_("Remove it: a command line is public; weights lie on disk, or log in to the hub before"),
    "--config": N_("Write its flags under args, where they are checked"),
    "--root-path": N_("Remove it: the edge is what clients see"),
    "--ssl-keyfile": N_("Set edge.certificate"),
    "--ssl-certfile": N_("Set edge.certificate"),
    "--grpc": N_("Remove it: the gateway speaks HTTP to engines"),
    "--headless": N_("Remove it: such an engine serves no HTTP"),
    "--device-ids": N_("Set the engine's gpus"),
    "--log-level": N_("Set the engine's log_level"),
    "--shutdown-timeout": N_("Set the engine's shutdown"),
}
DANGEROUS = {
    "--trust-remote-code": N_("it runs code that comes with the weights"),
    "--allowed-local-media-path": N_("it lets clients read files of this machine"),
    "--trust-request-chat-template": N_("it lets clients run templates of their own in the engine"),
    "--trust-request-mm-kwargs": N_("it lets clients configure the media processor of the engine"),
    "--enable-prompt-embeds": N_("it unpacks tensors that clients send, which has broken engines"),
    "--enable-mm-embeds": N_("it unpacks tensors that clients send, which has broken engines"),
    "--disable-log-stats": N_("it removes every vllm:* metric, without which engines cannot be watched"),
}
HINTS = {
    ("--dtype", "int8"): N_("INT8 is a quantisation: leave dtype at auto and serve INT8 weights"),
    ("--dtype", "fp8"): N_("FP8 is a quantisation: leave dtype at auto and set quantization: fp8"),
    ("--dtype", "fp16"): N_("Write float16"),
    ("--dtype", "bf16"): N_("Write bfloat16"),
}


def _refused(flag: Flag, value: Any, where: str) -> Finding | None:
    if flag.name in DANGEROUS and value not in (False, ""):
        why = _("{name} is refused: {reason}").format(name=flag.name, reason=_(DANGEROUS[flag.name]))
        fix = (
            _("Remove it, or name the weights under trusted_code")
            if flag.name == "--trust-remote-code"
            else _("Remove it")
        )
        return _error("flag_dangerous", where, why, fix)
    return None


def _error(rule: str, where: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=where, why=why, fix=_(fix) if fix else "")


def _key(name: str) -> str:
    """A flag as it is written in forebay.yaml."""
    return name.removeprefix("--").replace("_", "-") if not name.isupper() else name
