"""A running service with declared purposes: assessed by itself, and consents that hold on every worker."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.request import urlopen

import pytest
from tests.integration.ops.test_compliance import outcomes

from forebay.privacy.stores import STORES
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = pytest.mark.timeout(300)
MODELS = {"m": {"engines": [{"kind": "embedded", "threads": 1}], "cache": {"exact": True}}}
ON = ("answers", "access_log", "audit_log", "consents", "idempotency", "keys")
PROCESSING = {
    "responsible": "ACME, Harbour Street 1",
    "calls": "advice",
    "purposes": {
        "advice": {"why": "To advise customers", "basis": "consent", "people": ["customers"]},
        "service": {"why": "To run the service", "basis": "legitimate_interests"},
    },
    "stores": {name: {"purpose": "service", "fields": list(STORES[name].personal), "retention": "30d"} for name in ON},
}
Begun = tuple[http.client.HTTPSConnection, http.client.HTTPResponse]
LONG = {
    "model": "m",
    "stream": True,
    "max_tokens": 3000,
    "ignore_eos": True,
    "user": "alice",
    "messages": [{"role": "user", "content": "Tell a story without an end."}],
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("processing")
    sections = {"audit": {"enabled": True}, "compliance": {"every": "1h"}, "processing": PROCESSING}
    with Service(folder, MODELS, gateway={"workers": 2}, **sections) as running:
        yield running


def asked(
    service: Service, fields: dict[str, object], **more: str
) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
    """One call through the edge, as far as the head of its answer."""
    connection = http.client.HTTPSConnection(
        "localhost", service.content["edge"]["https_port"], timeout=120, context=service.tls()
    )
    head = {"authorization": f"Bearer {service.key}", "content-type": "application/json", **more}
    connection.request("POST", "/v1/chat/completions", json.dumps(fields), head)
    return connection, connection.getresponse()


def ask(service: Service, fields: dict[str, object]) -> tuple[int, str]:
    """One whole call: its status, and all that came."""
    connection, answer = asked(service, fields)
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.timeout(600)
def test_the_service_is_assessed_by_itself_and_the_metrics_tell(service: Service) -> None:
    wait_for("a report is kept", lambda: any(service.state.compliance.glob("*.json")), 200.0)

    def told() -> bool:
        try:
            with urlopen(service.metrics_url, timeout=30) as page:  # noqa: S310  our own
                return b'forebay_compliance_controls{pack="gdpr",verdict="pass"}' in page.read()
        except OSError:  # a machine so busy that the page is late, or that its process was started again
            return False

    wait_for("the metrics tell of it", told, 120.0)


def test_declarations_consents_and_erasure_are_probed(service: Service) -> None:
    seen = outcomes(service, "--pack", "gdpr", "--pack", "pipl")
    for probe in ("processing_declared", "consent_asked", "people_erasable"):
        assert seen[probe]["verdict"] == "pass", seen[probe]
        assert seen[probe]["evidence"]


def test_a_withdrawal_ends_the_calls_of_that_person_on_every_worker(service: Service) -> None:
    consent = ("--subject", "alice", "--purpose", "advice")
    short = {**LONG, "max_tokens": 1}
    assert ask(service, short)[0] == 403
    service.run("privacy", "consent", "grant", *consent)
    wait_for("every worker knows", lambda: all(ask(service, short)[0] == 200 for _ in range(6)))
    connection, first = asked(service, LONG)
    with closing(connection), ThreadPoolExecutor() as pool:
        assert b"data:" in first.read1()
        others = [pool.submit(ask, service, LONG) for _ in range(5)]  # that answer, wait for a place, or come too late
        service.run("privacy", "consent", "withdraw", *consent)
        assert b"consent_withdrawn" in first.read()
        ended = [each.result(120) for each in others]
    assert all("consent_withdrawn" in text or "consent_required" in text for _status, text in ended), ended
    assert all(ask(service, short)[0] == 403 for _ in range(6))
    (said,) = json.loads(service.run("privacy", "consent", "show", "--subject", "alice", "-o", "json").stdout)
    proven = service.run("audit", "prove", said["record"], "--out", str(service.folder / "proof"), "-o", "json")
    assert len(json.loads(proven.stdout)) == 2
    assert not said["granted"]


def test_an_erasure_empties_every_workers_cache_and_its_receipt_says_so(service: Service) -> None:
    question = {"model": "m", "temperature": 0, "max_tokens": 4, "messages": [{"role": "user", "content": "one?"}]}

    def origin() -> str | None:
        connection, answer = asked(service, question, **{"x-forebay-purpose": "service"})
        with closing(connection):
            answer.read()
        return answer.getheader("x-forebay-cache")

    wait_for("every worker keeps the answer", lambda: [origin() for _ in range(8)] == ["hit"] * 8)
    receipt = service.run("privacy", "erase", "carol", "--yes").stdout
    assert origin() == "miss"
    assert "answers: all of this machine dropped, as none is kept by person" in receipt
