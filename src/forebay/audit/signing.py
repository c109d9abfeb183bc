"""The log's own key: made once, kept beside the log, its public half for everybody who verifies."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from forebay.audit.note import BadNote, Signer, Verifier, read_verifier
from forebay.core.errors import StateError

SECRET, PUBLIC = "signing.key", "log.vkey"


def log_signer(folder: Path, name: str, *, witness: bool = False) -> Signer:
    """The key of the log, or of the witness, in `folder`; made where there is none. Raises StateError."""
    path = folder / SECRET
    try:
        signer = _read(path, witness=witness) if path.exists() else _made(path, name, witness=witness)
        public = folder / PUBLIC
        if not public.exists():
            public.write_text(f"{signer.verifier}\n")
    except (OSError, BadNote, ValueError) as error:
        what = "the audit log's signing key cannot be read"
        raise StateError(what, where=str(path), fix="Restore it from a backup", detail=str(error)) from error
    return signer


def log_verifier(folder: Path) -> Verifier:
    """The public half. Raises StateError."""
    path = folder / PUBLIC
    try:
        return read_verifier(path.read_text())
    except (OSError, BadNote) as error:
        fix = "Name it with --key; a log is kept where `audit.enabled` is true"
        raise StateError(
            "there is no public key of an audit log", where=str(path), fix=fix, detail=str(error)
        ) from error


def _made(path: Path, name: str, *, witness: bool) -> Signer:
    """A new key, named so that no other log has its name."""
    seed = secrets.token_bytes(32)
    signer = Signer(f"{name}/{secrets.token_hex(4)}", seed, witness=witness)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        verifier = signer.verifier
        file.write(f"{verifier.name} {base64.b64encode(seed).decode()}\n")
        file.flush()
        os.fsync(file.fileno())
    return signer


def _read(path: Path, *, witness: bool) -> Signer:
    name, seed = path.read_text().split()
    return Signer(name, base64.b64decode(seed, validate=True), witness=witness)
