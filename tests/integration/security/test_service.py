"""Identity of a whole service: an issuer's tokens, keys over the admin API, and no secret anywhere on the disk."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.security.provider import Provider
from tests.unit.security import jwt

from forebay.security.keys import parse
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(240)
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


class Setting:
    """A running service, the provider that it trusts, and its clients."""

    def __init__(self, service: Service, provider: Provider) -> None:
        self.service, self.provider = service, provider

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        said = jwt.CLAIMS | {"iss": self.provider.url, "iat": now - 1, "exp": now + 600} | claims
        return jwt.signed(jwt.HEADER, said).decode()

    def chat(self, credential: str) -> int:
        """Status of a call through the edge."""
        edge = self.service.content["edge"]["https_port"]
        context = ssl.create_default_context(cafile=str(self.service.state.tls / "ca.pem"))
        connection = http.client.HTTPSConnection("localhost", edge, context=context, timeout=60)
        try:
            headers = {"authorization": f"Bearer {credential}", "content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(CHAT), headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def admin(self, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.service.content["admin"]["port"], timeout=60)
        try:
            headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def key(self, *arguments: str) -> str:
        return self.service.run("key", "create", *arguments).stdout.strip()


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder: Path = tmp_path_factory.mktemp("identity")
    with FakeEngine() as engine, Provider(folder / "provider") as provider:
        provider.publish(jwt.public())
        issuer = {
            "issuer": provider.url,
            "audience": jwt.AUDIENCE,
            "ca": str(provider.ca),
            "tenant": "acme",
            "grants": {"chat": ["inference"]},
        }
        models = {"m": {"engines": [{"kind": "external", "url": f"http://127.0.0.1:{engine.port}"}]}}
        with Service(folder, models, security={"issuers": {"corp": issuer}}) as service:
            yield Setting(service, provider)


def test_a_token_of_the_issuer_calls_and_stops_when_it_is_revoked(setting: Setting) -> None:
    token = setting.token(jti="to-be-revoked")
    wait_for("the issuer's keys have arrived", lambda: setting.chat(token) == 200)
    assert setting.chat(setting.token(aud="other")) == 401
    assert setting.chat(setting.token(scope="openid")) == 403
    setting.service.run("token", "revoke", "--issuer", "corp", "--jti", "to-be-revoked")
    wait_for("the token opens nothing", lambda: setting.chat(token) == 401)
    assert setting.chat(setting.token(jti="another")) == 200
    setting.service.run("token", "revoke", "--issuer", "corp", "--subject", "bob")
    assert setting.chat(setting.token(sub="carol")) == 200
    wait_for("what bob had opens nothing", lambda: setting.chat(setting.token(sub="bob", iat=1)) == 401)


def test_a_key_made_over_the_admin_api_works_at_once_and_ends_at_once(setting: Setting) -> None:
    officer = setting.key("--scope", "admin:security")
    status, made = setting.admin("POST", "/v1/keys", officer, {"scopes": ["inference"], "tenant": "acme"})
    assert (status, made["in_force"]) == (201, True)
    assert setting.chat(made["key"]) == 200
    status, turned = setting.admin("POST", f"/v1/keys/{made['id']}/rotate", officer, {"overlap_s": 600.0})
    assert status == 201
    assert setting.chat(made["key"]) == setting.chat(turned["key"]) == 200, "both, while they overlap"
    status, ended = setting.admin("DELETE", f"/v1/keys/{made['id']}", officer)
    assert (status, ended["in_force"]) == (200, True)
    assert setting.chat(made["key"]) == 401
    assert setting.chat(turned["key"]) == 200
    assert setting.chat(officer) == 403
    auditor = setting.key("--scope", "admin:audit")
    assert setting.admin("DELETE", f"/v1/keys/{turned['id']}", auditor)[0] == 403
    assert setting.admin("GET", "/v1/release", auditor)[0] == 200


def test_no_secret_is_anywhere_on_the_disk_or_the_metrics_page(setting: Setting) -> None:
    text, token = setting.key("--name", "canary"), setting.token(sub="canary@example.com")
    assert setting.chat(text) == setting.chat(token) == 200
    assert setting.chat(text[:-1]) == 401
    assert setting.chat(token[:-2]) == 401
    parts = parse(text)
    assert parts is not None
    state = setting.service.state
    wait_for("the calls are logged", lambda: parts[0] in "".join(p.read_text() for p in state.logs.glob("worker*.log")))
    secrets = [parts[1].encode(), token.split(".")[2][:40].encode(), b"canary@example.com"]
    for path in state.root.rglob("*"):
        content = _read(path)
        assert not [secret for secret in secrets if secret in content], path
    connection = http.client.HTTPConnection(
        "127.0.0.1", setting.service.content["observe"]["metrics"]["port"], timeout=60
    )
    connection.request("GET", "/metrics")
    page = connection.getresponse().read()
    connection.close()
    assert not [secret for secret in secrets if secret in page]
    assert b"forebay_certificate_days_left 89" in page


def _read(path: Path) -> bytes:
    """Empty where it is no file, or gone meanwhile: snapshots and drafts come and go."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""
