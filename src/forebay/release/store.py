"""The tree `configs/` beside the configuration: versions, and which of them each environment runs.

configs/versions/<name>/            a release, never changed: release.json, forebay.yaml, config/<environment>.json …
configs/<environment>/current       link to the release that the environment runs or is to run
configs/<environment>/{engine,edge,monitoring}/   files of the operator's own, which a release takes along
configs/approvals/<digest>/         who approved it, for which environment
configs/log.jsonl                   what was made, promoted, applied and rolled back, by whom and why
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from forebay.core.errors import StateError, UsageError
from forebay.messages import _
from forebay.release import durable
from forebay.release.version import FORMAT, MANIFEST, Created, Manifest, Release, canonical, digest, is_name, manifest

_AUTOMATIC = re.compile(r"v(\d+)")


class Store(msgspec.Struct, frozen=True):
    """Releases below `root`, the `configs` directory; nothing is created until something is stored."""

    root: Path

    @classmethod
    def beside(cls, config: Path) -> Store:
        return cls(config.resolve().parent / "configs")

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    def link(self, environment: str) -> Path:
        """The link to what an environment runs."""
        return self.root / environment / "current"

    def names(self) -> tuple[str, ...]:
        """Every stored release, in the order of their numbers, then of their names."""
        if not self.versions.is_dir():
            return ()
        found = [path.name for path in self.versions.iterdir() if path.is_dir() and is_name(path.name)]
        return tuple(sorted(found, key=_order))

    def save(self, files: Mapping[str, bytes], created: Created, name: str | None = None) -> Release:
        """Store a release, or find the one that holds the same; UsageError where `name` means another already."""
        made = manifest(files, created)
        known = self.find(made.digest)
        if known is not None and name in (None, known.name):
            return known
        if name is not None and not is_name(name):
            fix = _("Use letters, digits, dots and dashes, such as v1.2")
            raise UsageError(_("a release cannot be called {name}").format(name=name), fix=fix)
        durable.sweep(self.versions)
        content = {**files, MANIFEST: msgspec.json.format(canonical(made), indent=2) + b"\n"}
        while True:
            chosen = name or self._next()
            try:
                durable.write_tree(self.versions / chosen, content)
            except FileExistsError:
                if name is None:
                    continue  # somebody stored one at the same time
                fix = _("A release never changes: choose another name")
                raise UsageError(_("there is a release {name} already").format(name=name), fix=fix) from None
            return Release(name=chosen, digest=made.digest, created=created, files=dict(files))

    def read(self, name: str) -> Release:
        """A release, verified file by file; StateError where it is not whole, UsageError where there is none."""
        folder = self.versions / name
        if not is_name(name) or not folder.is_dir():
            known = ", ".join(self.names()) or _("none")
            raise UsageError(
                _("there is no release {name}").format(name=name), fix=_("There are {known}").format(known=known)
            )
        listed = _manifest(folder / MANIFEST)
        files = {path: _verified(folder, path, expected) for path, expected in listed.files.items()}
        if listed.format != FORMAT or digest(listed.files) != listed.digest:
            raise _damaged(folder / MANIFEST, _("it does not name its own files"))
        return Release(name=name, digest=listed.digest, created=listed.created, files=files)

    def find(self, wanted: str) -> Release | None:
        """The release of a digest, where a whole one is stored."""
        for name in self.names():
            with contextlib.suppress(StateError):
                if _manifest(self.versions / name / MANIFEST).digest == wanted:
                    return self.read(name)
        return None

    def current(self, environment: str) -> Release | None:
        """What the environment's link leads to; None where there is no link, StateError where it leads nowhere."""
        link = self.link(environment)
        if not link.is_symlink():
            if link.exists():
                raise StateError(_("this is no link to a release"), where=str(link), fix=_("Remove it"))
            return None
        name = link.readlink().name
        if link.readlink() != Path("..", "versions", name) or not link.is_dir():
            fix = _("`forebay rollback VERSION` makes it lead to a release again")
            where = f"{link} -> {link.readlink()}"
            raise StateError(_("the link to the current release leads nowhere"), where=where, fix=fix)
        return self.read(name)

    def make_current(self, environment: str, name: str) -> None:
        """Switch the environment's link, at once."""
        durable.point(self.link(environment), f"../versions/{name}")

    def _next(self) -> str:
        numbers = [int(match[1]) for name in self.names() if (match := _AUTOMATIC.fullmatch(name))]
        return f"v{max(numbers, default=0) + 1}"


def _manifest(path: Path) -> Manifest:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise _damaged(path, _("it cannot be read"), str(error)) from error


def _verified(folder: Path, path: str, expected: str) -> bytes:
    place = folder / path
    if not place.resolve().is_relative_to(folder.resolve()):
        raise _damaged(place, _("it lies outside of its release"))
    try:
        content = place.read_bytes()
    except OSError as error:
        raise _damaged(place, _("it cannot be read"), str(error)) from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise _damaged(place, _("it was changed or cut off"))
    return content


def _damaged(where: Path, why: str, detail: str = "") -> StateError:
    fix = _("Restore it, as from git: git checkout -- {path}").format(path=where)
    return StateError(_("the release is damaged: {why}").format(why=why), where=str(where), fix=fix, detail=detail)


def _order(name: str) -> tuple[int, ...] | tuple[float, str]:
    numbers = tuple(int(part) for part in re.findall(r"\d+", name)) if re.fullmatch(r"v?\d+(\.\d+)*", name) else ()
    return numbers or (float("inf"), name)
