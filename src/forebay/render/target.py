"""What `forebay render` can write: one target a file below `render/targets`, from the checked configuration alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.core.registry import Registry


class Subject(msgspec.Struct, frozen=True):
    """What targets are written from. `folder` is where the files will lie; only nginx and HAProxy write it down."""

    config: Config
    folder: Path


class Target(msgspec.Struct, frozen=True):
    """A target: what it is for, and its files by their path below the folder."""

    about: str
    files: Callable[[Subject], dict[str, str]]


targets: Registry[Target] = Registry("render target")


def load_targets() -> Registry[Target]:
    """All targets, by name."""
    return targets.load("forebay.render.targets")
