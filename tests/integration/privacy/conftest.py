"""A worker that masks, and an engine behind it that says what a test wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from forebay.gateway.snapshot import KeyRecord
from forebay.privacy.policy import Actions, Pattern, PrivacyPolicy, Scope
from forebay.security.keys import digest, new_key
from forebay.testing.fake_engine import FakeEngine, say_hello
from forebay.testing.worker import GatewayWorker

NAMED = Scope(tenant="named", input=Actions("pseudonymise"))
STRICT = Scope(tenant="strict", input=Actions("block"), output=Actions("block"))
LOOSE = Scope(tenant="loose", input=Actions("allow"), output=Actions("allow"), unreadable="allow")
HASHED = Scope(tenant="hashed", input=Actions("hash", {"email": "allow"}), output=Actions("hash"))
POLICY = PrivacyPolicy(
    scopes=(NAMED, STRICT, LOOSE, HASHED, Scope()),
    patterns=(Pattern(name="project", words=("昆仑计划",)),),
    spared=("help@example.com",),
)
TENANTS = ("named", "strict", "loose", "hashed")


class Masking(GatewayWorker):
    """`keys` are those of further tenants."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(folder, [port])
        self.keys: dict[str, str] = {}
        records = list(self.snapshot.keys)
        for tenant in TENANTS:
            self.keys[tenant], key_id, secret = new_key()
            records.append(KeyRecord(id=key_id, digest=digest("pepper", secret), tenant=tenant, scopes=("inference",)))
        self.snapshot = msgspec.structs.replace(self.snapshot, keys=tuple(records), privacy=POLICY)

    def ask(self, fields: object, *, path: str = "/v1/chat/completions", tenant: str = "") -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {self.keys[tenant]}"} if tenant else {}
        return self.post(fields, path=path, **headers)


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def worker(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Masking]:
    with Masking(tmp_path_factory.mktemp("state"), engine.port) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_before(engine: FakeEngine) -> Iterator[None]:
    yield
    engine.script = say_hello
    engine.seen.clear()
