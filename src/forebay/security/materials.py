"""What this forebay is made of: its packages as a CycloneDX bill, and which of them a stored advisory names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from forebay.core.errors import UsageError
from forebay.messages import _

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Material(msgspec.Struct, frozen=True, order=True):
    """One package; `hashes` of every file that a lock allows for it."""

    name: str
    version: str
    hashes: tuple[str, ...] = ()
    license: str = ""


class Advised(msgspec.Struct, frozen=True):
    """A package that an advisory names."""

    name: str
    version: str
    advisory: str
    summary: str
    fixed: tuple[str, ...]


def installed() -> list[Material]:
    """What is installed where this runs."""
    found: dict[str, Material] = {}
    for each in distributions():
        name = canonicalize_name(each.metadata["Name"] or "")
        words = each.metadata["License-Expression"] if "License-Expression" in each.metadata else ""  # noqa: SIM401
        found.setdefault(name, Material(name, each.version, license=words))
    return sorted(found.values())


def locked(paths: Iterable[Path]) -> list[Material]:
    """What lock files allow. UsageError for a file with a line that is neither a pinned package nor its hashes."""
    found: list[Material] = []
    for path in paths:
        for text in path.read_text("utf-8").replace("\\\n", " ").splitlines():
            line = text.strip()
            if not line or line.startswith(("#", "-")):
                continue
            pinned, hashes = _PINNED.match(line), tuple(_HASH.findall(line))
            if pinned is None or not hashes:
                raise UsageError(
                    _("{path} is no lock: a package without its version or its hashes").format(path=path),
                    fix=_("Write it with `make lock`"),
                )
            found.append(Material(canonicalize_name(pinned[1]), pinned[2], hashes))
    return sorted(found)


def bill(materials: Iterable[Material], version: str) -> dict[str, Any]:
    """A bill of materials in CycloneDX 1.6; the same materials give the same bytes."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "forebay", "version": version}},
        "components": [_component(each) for each in materials],
    }


def advised(materials: Iterable[Material], advisories: Iterable[dict[str, Any]]) -> list[Advised]:
    """Packages that advisories in OSV's form name; withdrawn ones count for nothing."""
    by_name: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for advisory in advisories:
        for affected in advisory.get("affected", ()) if not advisory.get("withdrawn") else ():
            package = affected.get("package", {})
            if package.get("ecosystem") == "PyPI":
                by_name.setdefault(canonicalize_name(package.get("name", "")), []).append((advisory, affected))
    return [
        Advised(each.name, each.version, advisory.get("id", ""), advisory.get("summary", ""), _fixes(affected))
        for each in materials
        for advisory, affected in by_name.get(each.name, ())
        if _is_affected(each.version, affected)
    ]


def _component(material: Material) -> dict[str, Any]:
    purl = f"pkg:pypi/{material.name}@{material.version}"
    component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": material.name}
    component |= {"version": material.version, "purl": purl}
    if material.hashes:
        files = [{"alg": "SHA-256", "content": each} for each in sorted(material.hashes)]
        component["externalReferences"] = [{"type": "distribution", "url": purl, "hashes": [each]} for each in files]
    if material.license:
        component["licenses"] = [{"expression": material.license}]
    return component


def _is_affected(version: str, affected: dict[str, Any]) -> bool:
    if version in affected.get("versions", ()):
        return True
    return any(_within(version, events) for events in _ranges(affected))


def _within(text: str, events: Iterable[dict[str, str]]) -> bool:
    """Whether a version lies in a range: events in order switch it on and off. What cannot be compared is affected."""
    inside = False
    try:
        version = Version(text)
        for event in events:
            for kind, said in event.items():
                if kind == "introduced":
                    inside = inside or said == "0" or version >= Version(said)
                elif kind == "fixed":
                    inside = inside and version < Version(said)
                elif kind == "last_affected":
                    inside = inside and version <= Version(said)
    except InvalidVersion:
        return True
    return inside


def _ranges(affected: dict[str, Any]) -> list[list[dict[str, str]]]:
    return [each.get("events", []) for each in affected.get("ranges", ()) if each.get("type") == "ECOSYSTEM"]


def _fixes(affected: dict[str, Any]) -> tuple[str, ...]:
    return tuple(event["fixed"] for events in _ranges(affected) for event in events if "fixed" in event)
