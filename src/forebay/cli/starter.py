"""The text of a first forebay.yaml, tried against `check` before anyone sees it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from forebay.config.flags import releases
from forebay.config.layers import Profile, profile, profile_names
from forebay.config.load import load
from forebay.config.provenance import find, plain
from forebay.core.errors import ConfigError, Finding, UsageError
from forebay.lint.run import lint
from forebay.messages import _

_SIZES = (1, 2, 4, 8, 16)
_EMBEDDED = "smollm2"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asked `init` for."""

    environment: str
    hardware: str | None = None
    scenario: str | None = None
    model: str | None = None
    release: str | None = None
    gpus: int | None = None

    @property
    def vllm(self) -> bool:
        """Whether the model needs vLLM; the small one that comes with forebay does not."""
        return self.model not in (None, _EMBEDDED) and not str(self.model).endswith(".gguf")


class _Layout(msgspec.Struct, frozen=True):
    gpus: int
    experts: bool = False
    context_tokens: int | None = None


def starter(wishes: Wishes) -> str:
    """A file that passes `check`; ConfigError says why none can, and what would fit."""
    if wishes.environment not in profile_names("environments"):
        known = ", ".join(profile_names("environments"))
        raise UsageError(_("there is no environment {name}").format(name=wishes.environment), fix=known)
    if wishes.hardware not in (None, "cpu") and not wishes.vllm:
        fix = _("Add --model with a hub id or a path")
        raise UsageError(_("which model the accelerators serve is not said"), fix=fix)
    errors: tuple[Finding, ...] = ()
    for layout in _layouts(wishes):
        text = _text(wishes, layout)
        found = _errors(text)
        if not found:
            return text
        errors = errors or found
    raise ConfigError(_("no configuration can serve this"), findings=errors)


def _layouts(wishes: Wishes) -> Iterator[_Layout]:
    """From the fewest GPUs up; a whole context first, then one that leaves room."""
    if not wishes.vllm or wishes.hardware in (None, "cpu"):
        yield _Layout(wishes.gpus or 0)
        return
    for context_tokens in (None, 131_072, 32_768, 8_192):
        for size in (wishes.gpus,) if wishes.gpus else _SIZES:
            yield _Layout(size, context_tokens=context_tokens)
            yield _Layout(size, experts=True, context_tokens=context_tokens)


def _errors(text: str) -> tuple[Finding, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forebay.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            findings = lint(load(path))
        except ConfigError as error:
            findings = error.findings
    return tuple(finding for finding in findings if finding.severity == "error")


def _text(wishes: Wishes, layout: _Layout) -> str:
    parts = [*_head(wishes), *_models(wishes, layout), *_scenario_hint(wishes), *_edge(wishes)]
    return "\n".join(parts) + "\n"


def _head(wishes: Wishes) -> Iterator[str]:
    yield "# " + _("`forebay check` checks this file; `forebay config show` prints it with every default;")
    yield "# " + _("`forebay config explain KEY` says where a value comes from.")
    yield "version: 1"
    yield f"environment: {wishes.environment}"
    if wishes.hardware:
        yield f"hardware: {wishes.hardware}  # {_about('hardware', wishes.hardware)}"
    if wishes.scenario:
        yield f"scenario: {wishes.scenario}  # {_about('scenarios', wishes.scenario)}"


def _models(wishes: Wishes, layout: _Layout) -> Iterator[str]:
    yield ""
    yield "models:"
    yield f"  {_name(wishes)}:"
    yield "    # " + _("Other names that clients may use.")
    yield "    aliases: []"
    yield "    engines:"
    yield from _vllm(wishes, layout) if wishes.vllm else _embedded(wishes)


def _embedded(wishes: Wishes) -> Iterator[str]:
    yield "      # " + _("llama.cpp: no GPU and no download are needed.")
    yield "      - kind: embedded"
    if wishes.model not in (None, _EMBEDDED):
        yield f"        weights: {json.dumps(wishes.model)}"
    yield "        count: 2"


def _vllm(wishes: Wishes, layout: _Layout) -> Iterator[str]:
    yield "      - kind: vllm"
    yield "        # " + _("A path, or a hub id whose files are in the hub's cache; `offline: false` downloads them.")
    yield f"        weights: {json.dumps(wishes.model)}"
    yield f"        release: {wishes.release or _release(wishes)}"
    yield "        # " + _("How long loading may take; large weights on slow disks need more.")
    yield "        start: 30m"
    if layout.gpus:
        yield f"        gpus: {json.dumps(list(range(layout.gpus)))}"
    args = {
        "tensor-parallel-size": layout.gpus if layout.gpus > 1 else None,
        "enable-expert-parallel": layout.experts or None,
        "max-model-len": layout.context_tokens,
    }
    given = {flag: value for flag, value in args.items() if value is not None}
    if given:
        yield "        # " + _("Flags of `vllm serve`; the profiles set the others.")
        yield "        args:"
        for flag, value in given.items():
            yield f"          {flag}: {json.dumps(value)}"


def _scenario_hint(wishes: Wishes) -> Iterator[str]:
    """Where the environment stands above the scenario, say how to have the scenario's values."""
    if not wishes.scenario or not wishes.vllm:
        return
    scenario, environment = (
        _args(profile(folder, name))
        for folder, name in (("scenarios", wishes.scenario), ("environments", wishes.environment))
    )
    beaten = {flag: value for flag, value in scenario.items() if flag in environment and environment[flag] != value}
    if not beaten:
        return
    hint = _("{environment} stands above {scenario}. To keep the scenario's values, take the # away:")
    yield ""
    yield "# " + hint.format(environment=wishes.environment, scenario=wishes.scenario)
    yield "# engine_defaults:"
    yield "#   vllm:"
    yield "#     args:"
    for flag, value in beaten.items():
        yield f"#       {flag}: {value}"


def _edge(wishes: Wishes) -> Iterator[str]:
    if wishes.environment == "development":
        return
    yield ""
    yield "edge:"
    yield "  # " + _("Names that clients connect to; they must be in the certificate.")
    yield "  server_names: [llm.example.com]"
    yield "  # " + _("The certificate with its intermediates, and its private key (mode 0600).")
    yield "  certificate:"
    yield "    chain: /etc/forebay/tls/fullchain.pem"
    yield "    key: file:/etc/forebay/tls/privkey.pem"


def _args(part: Profile) -> dict[str, object]:
    node = find(part.values, ("engine_defaults", "vllm", "args"))
    values = plain(node) if node is not None else {}
    return values if isinstance(values, dict) else {}


def _about(folder: str, name: str) -> str:
    return _(profile(folder, name).about)


def _release(wishes: Wishes) -> str:
    facts = profile("hardware", wishes.hardware).facts if wishes.hardware else None
    return facts.newest_release if facts is not None and facts.newest_release else releases()[-1]


def _name(wishes: Wishes) -> str:
    """The public name: a hub id as it is; of a path its last part."""
    model = wishes.model or _EMBEDDED
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", model):
        model = Path(model).name.removesuffix(".gguf")
    name = re.sub(r"[^A-Za-z0-9._/-]+", "-", model).strip("-._/") or "model"
    return name if re.fullmatch(r"[A-Za-z][\w/-]*", name) else json.dumps(name)
