"""A worker holds the libraries that its configuration needs: from its start on, and no others."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.certificates import Authority
from tests.unit.security import jwt

from forebay.gateway.snapshot import IdentityPolicy, KeyRecord, Snapshot, publish
from forebay.security.certificate_grant import CertificateGrant
from forebay.security.keys import digest, new_key
from forebay.store.state_dir import StateDir
from forebay.testing.worker import POLICY

NAME = "spiffe://example.com/chat"
KEY, KEY_ID, SECRET = new_key()
CERTIFICATES = {"certificates": {f"uri:{NAME}": CertificateGrant("acme", ("inference",))}}
HEAVY = {"cryptography", "joserfc"}
# Says which of the heavy libraries are there after the start, then after the first call, and who called.
PROGRAM = """
import sys, msgspec
from pathlib import Path
from forebay.gateway.identity import identify
from forebay.gateway.routes import ROUTES
from forebay.gateway.worker import Worker
from forebay.store.state_dir import StateDir
from forebay.wire.request import RequestHead

def loaded():
    return {name for name in sys.modules if name.partition(".")[0] in HEAVY}

folder, now, authorization, certificate = msgspec.json.decode(sys.stdin.buffer.read())
worker = Worker("w", StateDir(Path(folder)))
at_start = loaded()
head = RequestHead(b"POST", b"/", 0, True, True, b"", b"", b"", False, False, b"", "", b"")
said = {"authorization": authorization.encode(), "client_certificate": certificate.encode()}
head = msgspec.structs.replace(head, **said)
path = b"/v1/chat/completions"
caller = identify(head, worker.parts.view, now, ROUTES[path], "127.0.0.1", "127.0.0.1")
tops = {name.partition(".")[0] for name in at_start}
sys.stdout.buffer.write(msgspec.json.encode([sorted(tops), sorted(loaded() - at_start), caller.tenant]))
"""


def state_of(folder: Path, **identity: Any) -> StateDir:
    """A state directory with a snapshot of this identity policy."""
    state = StateDir(folder)
    state.prepare()
    snapshot = Snapshot(
        policy=msgspec.structs.replace(POLICY, trusted_proxies=("127.0.0.0/8",)),
        workers=("w",),
        models=(),
        engines=(),
        keys=(KeyRecord(id=KEY_ID, digest=digest(jwt.PEPPER, SECRET), tenant="t"),),
        pepper=jwt.PEPPER,
        identity=IdentityPolicy(**identity),
    )
    publish(snapshot, state.snapshots)
    return state


def first_call(state: StateDir, now: float, authorization: str = "", certificate: str = "") -> Any:
    """What is loaded at the start, what the first call loads, and who called."""
    asked = msgspec.json.encode([str(state.root), now, authorization, certificate])
    program = f"HEAVY = {HEAVY!r}\n{PROGRAM}"
    ended = subprocess.run([sys.executable, "-c", program], input=asked, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return msgspec.json.decode(ended.stdout)


def test_a_worker_of_keys_alone_has_no_library_of_cryptography(tmp_path: Path) -> None:
    assert first_call(state_of(tmp_path), 1000.0, f"Bearer {KEY}") == [[], [], "t"]


def test_who_reads_certificates_has_the_library_before_the_first_call(tmp_path: Path) -> None:
    issued = Authority(tmp_path / "ca", "ca").issue("c", [x509.UniformResourceIdentifier(NAME)], client=True)
    now = issued.certificate.not_valid_before_utc.timestamp() + 1
    header = base64.b64encode(issued.certificate.public_bytes(serialization.Encoding.DER)).decode()
    state = state_of(tmp_path / "state", **CERTIFICATES)
    assert first_call(state, now, certificate=header) == [["cryptography"], [], "acme"]


def test_who_checks_tokens_has_the_libraries_before_the_first_call(tmp_path: Path) -> None:
    state = state_of(tmp_path, issuers=(jwt.policy(),))
    said = first_call(state, jwt.NOW, f"Bearer {jwt.token().decode()}")
    assert said == [["cryptography", "joserfc"], [], "acme"]


@pytest.mark.parametrize("identity", [CERTIFICATES, {"issuers": (jwt.policy(),)}], ids=["certificates", "tokens"])
def test_a_library_that_is_missing_fails_the_start_of_who_needs_it(tmp_path: Path, identity: dict[str, Any]) -> None:
    state = state_of(tmp_path, **identity)
    program = """
import sys
sys.modules["cryptography"] = sys.modules["joserfc"] = None
from forebay.gateway.worker import main
sys.exit(main(["--state", sys.argv[1], "--name", "w", "--port", "0"]))
"""
    asked = [sys.executable, "-c", program, str(state.root)]
    ended = subprocess.run(asked, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"worker w cannot start: "), ended.stderr.decode()
    assert ended.stderr.count(b"\n") == 1
