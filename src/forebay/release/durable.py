"""Files, directories and links that a crash or a power cut leaves as they were or as they should be, never between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

READ_ONLY = 0o444


def write_tree(target: Path, files: Mapping[str, bytes]) -> None:
    """Make the directory `target` with `files` appear at once; FileExistsError where something is there already."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".draft-{os.getpid()}-{target.name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    for name, content in files.items():
        path = draft / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
    for folder, _folders, _names in os.walk(draft, topdown=False):
        sync_folder(Path(folder))
    try:
        # Onto a directory that holds something rename fails: what has a name already keeps its content.
        draft.rename(target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if target.exists():
            raise FileExistsError(str(target)) from error
        raise
    sync_folder(target.parent)


def point(link: Path, target: str) -> None:
    """Make `link` lead to `target`, whether it led elsewhere before or was not there."""
    link.parent.mkdir(parents=True, exist_ok=True)
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    sync_folder(link.parent)


def write_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file, and see it on the disk before this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    _write(draft, content, mode)
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """See the names in a directory on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove what writers that no longer live left unfinished."""
    for draft in folder.glob(".draft-*"):
        pid = draft.name.split("-")[1]
        if not pid.isdigit() or not Path("/proc", pid).exists():
            shutil.rmtree(draft, ignore_errors=True)


def _write(path: Path, content: bytes, mode: int = READ_ONLY) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
