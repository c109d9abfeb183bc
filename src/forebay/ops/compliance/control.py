"""Controls and the packs that hold them: a file each, of ours or of the operator."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from forebay.core.errors import UsageError
from forebay.messages import _

SHIPPED = resources.files("forebay.ops.compliance") / "packs"


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in both languages."""

    en: str
    zh: str


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One demand of a standard; it is met when every one of its probes passes.

    A control without probes is one that no software can check: it is listed and not assessed.
    """

    id: str
    clause: str
    title: Text
    probes: tuple[str, ...] = ()


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The controls of one law or standard, in the edition it was read in."""

    name: str
    title: Text
    edition: str
    controls: tuple[Control, ...]


def shipped_packs() -> tuple[str, ...]:
    """Names of the packs that come with forebay."""
    return tuple(sorted(file.name.removesuffix(".yaml") for file in SHIPPED.iterdir() if file.name.endswith(".yaml")))


def load_pack(name: str, probes: Iterable[str]) -> Pack:
    """A shipped pack by its name, or an operator's file; UsageError says what is wrong with it."""
    if name in shipped_packs():
        where, text = name, (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        where, text = name, _read(Path(name))
    try:
        pack = msgspec.convert(YAML(typ="safe", pure=True).load(text), Pack)
    except (YAMLError, msgspec.ValidationError) as error:
        raise UsageError(_("this is no pack of controls: {why}").format(why=error), where=where) from error
    known = set(probes)
    for control in pack.controls:
        for probe in control.probes:
            if probe not in known:
                what = _("control {id} asks for the probe {probe}, which does not exist")
                fix = _("Probes are: {names}").format(names=", ".join(sorted(known)))
                raise UsageError(what.format(id=control.id, probe=probe), where=where, fix=fix)
    return pack


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = ", ".join(shipped_packs())
        fix = _("Name a file, or one of those that come with forebay: {names}").format(names=names)
        raise UsageError(_("there is no such pack of controls"), where=str(path), fix=fix) from error
