"""`init --from-script` and `--from-compose`: a forebay.yaml that passes `check`, from what runs today."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from forebay.cli.foreign import Source, foreign_engines
from forebay.cli.repair import repairs
from forebay.config.edit import edited
from forebay.config.load import Loaded, load
from forebay.core.errors import ConfigError, Finding
from forebay.lint.engines import written_engines
from forebay.lint.foreign.adopt import Adopted, adopt
from forebay.lint.run import lint
from forebay.messages import _

_ROUNDS = 8


class Adoption(msgspec.Struct, frozen=True):
    """The text of the file, and each change on the way, in the operator's language."""

    text: str
    changes: tuple[str, ...]


def adoption(source: Source, head: dict[str, str | None], argument: str | None) -> Adoption:
    """Read the source and write what passes `check`; ConfigError with every finding where nothing can.

    `head` are keys at the top of the file; `argument` is the environment that a script is told.
    """
    engines, notes = foreign_engines(source, argument)
    errors = tuple(note for note in notes if note.severity == "error")
    tell: list[str] = []
    adopted = adopt(engines, tell) if not errors else []
    if not adopted:
        fix = _("`forebay check` with --script or --compose says what is wrong with it")
        raise ConfigError(_("nothing can be taken over"), where=source.subject, findings=errors, fix=fix)
    whole: dict[str, Any] = {"version": 1} | {key: value for key, value in head.items() if value is not None}
    whole["models"] = _models(adopted)
    if head["environment"] != "development":
        whole["edge"] = {
            "server_names": ["llm.example.com"],
            "certificate": {"chain": "/etc/forebay/tls/fullchain.pem", "key": "file:/etc/forebay/tls/privkey.pem"},
        }
        tell.append(_("edge: put in your own server names and certificate"))
    text = _settled(_yaml(whole), tell)
    changes = tuple(dict.fromkeys(tell))
    head_lines = [_("Written from {name}; what was changed:").format(name=source.subject), *changes]
    comment = "".join(f"# {line}\n" for text_line in head_lines for line in text_line.splitlines())
    return Adoption(comment + text, changes)


def _models(adopted: list[Adopted]) -> dict[str, Any]:
    models: dict[str, Any] = {}
    for index, one in enumerate(adopted):
        model = models.setdefault(one.name, {"aliases": [], "engines": []})
        known = {name for other in models.values() for name in other["aliases"]} | set(models)
        model["aliases"] += [alias for alias in one.aliases if alias not in known]
        keys: dict[str, Any] = dict(one.keys)
        if model["engines"]:
            keys["name"] = f"engine-{index + 1}"
        if one.count > 1:
            keys["count"] = one.count
        if one.gpus:
            keys["gpus"] = one.gpus
        if one.args:
            keys["args"] = one.args
        model["engines"].append(keys)
    return models


def _settled(text: str, tell: list[str]) -> str:
    """Repair what `check` refuses; a flag that cannot be repaired is left out, anything else stops."""
    errors: tuple[Finding, ...] = ()
    for _round in range(_ROUNDS):
        loaded, findings = _findings(text)
        wanted = repairs(findings)
        errors = tuple(finding for finding in findings if finding.severity == "error")
        if not wanted and not errors:
            tell += _from_profiles(loaded)
            return text
        if not wanted:
            break
        text = edited(text, [(edit.line, edit.column, edit.change, edit.to) for each in wanted for edit in each.edits])
        tell += [_("{where}: repaired. {why}").format(where=_key(each), why=each.why) for each in wanted]
    raise ConfigError(_("no configuration can serve this"), findings=errors)


def _key(error: Finding) -> str:
    return error.where.partition(": ")[2] or error.where


def _findings(text: str) -> tuple[Loaded | None, tuple[Finding, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forebay.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            loaded = load(path)
            return loaded, lint(loaded)
        except ConfigError as error:
            return None, error.findings


def _from_profiles(loaded: Loaded | None) -> Iterator[str]:
    """Values that nobody set before and a profile sets now."""
    told: set[str] = set()
    for path, engine in written_engines(loaded) if loaded is not None else ():
        for flag, value in engine.args.items():
            layer = loaded.origin((*path, "args", flag)).layer if loaded is not None else "file"
            if layer != "file" and flag not in told:
                told.add(flag)
                yield _("{flag}: {value}, set by the profile ({layer})").format(flag=flag, value=value, layer=layer)


def _yaml(whole: dict[str, Any]) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_quoted(whole), out)
    return out.getvalue()


def _quoted(value: Any) -> Any:
    """Texts that YAML would read as something else, in quotes; lists of plain values on one line."""
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        items = CommentedSeq(_quoted(item) for item in value)
        if not any(isinstance(item, dict) for item in value):
            items.fa.set_flow_style()
        return items
    if isinstance(value, str) and not value.replace("_", "").replace("-", "").replace("/", "").isalpha():
        return DoubleQuotedScalarString(value)
    return value
