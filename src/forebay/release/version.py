"""A release: every file of one version of the service, named by the hash of all of them. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import msgspec

from forebay.config.schema import Config
from forebay.core.errors import StateError
from forebay.messages import _

FORMAT = 1
MANIFEST = "release.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """Who made a release, when (seconds since the epoch) and why; not part of what it is."""

    by: str
    at: float
    reason: str = ""
    change: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`release.json`: the hash of every file, and of all of them together."""

    format: int
    digest: str
    files: dict[str, str]
    created: Created


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release as it was read and verified. `files` are all but the manifest, by path."""

    name: str
    digest: str
    created: Created
    files: dict[str, bytes]

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments that it can run in."""
        return tuple(sorted(path[7:-5] for path in self.files if path.startswith("config/") and path.endswith(".json")))

    @property
    def short(self) -> str:
        return self.digest[:12]

    def values(self, environment: str) -> dict[str, object]:
        """The effective configuration in the form of the file; StateError where there is none for `environment`."""
        content = self.files.get(config_path(environment))
        if content is None:
            known = ", ".join(self.environments)
            raise StateError(
                _("{name} cannot run in {environment}: it holds {known}").format(
                    name=self.name, environment=environment, known=known
                ),
                fix=_("`forebay check -e {environment}` says why").format(environment=environment),
            )
        found: dict[str, object] = msgspec.json.decode(content)
        return found


def config_path(environment: str) -> str:
    return f"config/{environment}.json"


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no white space: the same value gives the same bytes."""
    return msgspec.json.encode(value, order="sorted")


def effective(config: Config) -> dict[str, object]:
    """A configuration as values of the file, every default written out; `read_config` gives it back."""
    found: dict[str, object] = config.model_dump(mode="json", exclude={"environments", "engine_defaults"})
    return found


def read_config(values: Mapping[str, object]) -> Config:
    """Effective values as a configuration again; StateError where this build of forebay does not know them."""
    try:
        return Config.model_validate_json(canonical(values))
    except ValueError as error:
        raise StateError(
            _("the release was written by another version of forebay, and this one cannot run it"),
            fix=_("Make it anew from its file; if it is the one that runs: `forebay down`, then `forebay up`"),
            detail=str(error),
        ) from error


def manifest(files: Mapping[str, bytes], created: Created) -> Manifest:
    """The manifest of `files`."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return Manifest(format=FORMAT, digest=digest(hashes), files=hashes, created=created)


def digest(hashes: Mapping[str, str]) -> str:
    """What names a release: sha256 over the hashes of its files."""
    return hashlib.sha256(canonical({"format": FORMAT, "files": dict(hashes)})).hexdigest()


def is_name(text: str) -> bool:
    """Whether a release may be called so: one directory, and never a link that forebay keeps."""
    return _NAME.fullmatch(text) is not None and text != "current"
