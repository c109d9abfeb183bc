"""`forebay token` says why; `forebay supply` says what, and whether something is wrong with it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from tests.unit.security import jwt

from forebay.cli.supply import supply
from forebay.cli.token import _REASONS, token
from forebay.core.errors import RunError, UsageError
from forebay.gateway.snapshot import IdentityPolicy, Snapshot, publish
from forebay.security.revoked import revocations
from forebay.security.tokens import BadToken
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir
from forebay.testing.worker import POLICY

FILE = f"""
version: 1
models: {{m: {{engines: [{{kind: embedded}}]}}}}
security:
  issuers:
    corp: {{issuer: "{jwt.ISSUER}", audience: "{jwt.AUDIENCE}", tenant: acme, grants: {{chat: [inference]}}}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FOREBAY_STATE", raising=False)
    path = tmp_path / "forebay.yaml"
    path.write_text(FILE)
    state = StateDir.beside(path)
    state.prepare()
    identity = IdentityPolicy(issuers=(jwt.policy(lifetime_s=1e9),))
    keys: dict[str, Any] = {"workers": (), "models": (), "engines": (), "keys": ()}
    publish(Snapshot(policy=POLICY, pepper=jwt.PEPPER, identity=identity, **keys), state.snapshots)
    return path


def run(command: Any, *arguments: str, given: bytes = b"") -> Any:
    return CliRunner().invoke(command, list(arguments), input=given, catch_exceptions=False)


def test_a_token_is_explained(file: Path) -> None:
    good = jwt.token(exp=int(time.time()) + 600, iat=1)
    answer = json.loads(run(token, "check", "-c", str(file), "-o", "json", given=good + b"\n").stdout)
    assert (answer["tenant"], answer["scopes"]) == ("acme", ["inference"])
    with pytest.raises(RunError, match="aud") as refused:
        run(token, "check", "-c", str(file), given=jwt.token(exp=int(time.time()) + 600, iat=1, aud="other"))
    assert refused.value.code == "token_audience"


def test_every_reason_has_its_words() -> None:
    source = Path(BadToken.__module__.replace(".", "/")).name
    text = (Path(__file__).parents[3] / "src/forebay/security" / f"{source}.py").read_text()
    raised = {part.split('"')[0] for part in text.split('BadToken("')[1:]}
    assert raised == set(_REASONS)


def test_a_subject_is_revoked_and_not_written_down(file: Path) -> None:
    run(token, "revoke", "-c", str(file), "--issuer", "corp", "--subject", "alice@example.com")
    state = StateDir.beside(file)
    database = connect(state.database)
    assert len(revocations(database, time.time())) == 1
    assert len(revocations(database, time.time() + 2 * 86400)) == 0, "no token lives as long"
    assert not [row for row in database.iterdump() if "alice" in row]
    database.close()


@pytest.mark.parametrize(
    "arguments",
    [("--issuer", "other", "--jti", "x"), ("--issuer", "corp"), ("--issuer", "corp", "--jti", "x", "--subject", "y")],
)
def test_what_is_revoked_is_said_exactly(file: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        run(token, "revoke", "-c", str(file), *arguments)


def test_the_bill_is_json_on_stdout() -> None:
    written = json.loads(run(supply, "bill").stdout)
    assert written["bomFormat"] == "CycloneDX"


@pytest.mark.parametrize("lines", [False, True])
def test_a_package_that_an_advisory_names_is_told_with_its_fix(tmp_path: Path, lines: bool) -> None:
    events = [{"introduced": "0"}, {"fixed": "999"}]
    affected = {"package": {"ecosystem": "PyPI", "name": "click"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    entry = {"id": "X-1", "summary": "bad", "affected": [affected]}
    path = tmp_path / "osv.json"
    path.write_bytes(
        msgspec.json.encode(entry) + b"\n" + msgspec.json.encode(entry) if lines else json.dumps([entry]).encode()
    )
    with pytest.raises(RunError, match="2 findings in" if lines else "1 finding in"):
        run(supply, "check", "--advisories", str(path), "-o", "json")
    lock = tmp_path / "a.lock"
    lock.write_text("other==1.0 --hash=sha256:" + "0" * 64 + "\n")
    assert "nothing found" in run(supply, "check", "--advisories", str(path), "--lock", str(lock)).stdout


def test_what_is_no_file_of_advisories_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "osv.json"
    path.write_text("nothing")
    with pytest.raises(UsageError, match="advisories"):
        run(supply, "check", "--advisories", str(path))
