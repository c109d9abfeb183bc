"""A key counts in one place and in one form; anything else is 401 and is never written down."""

from __future__ import annotations

import pytest
from tests.integration.gateway.raw import BODY, CHAT, Raw, exchange, head

from forebay.security.keys import new_key
from forebay.testing.worker import GatewayWorker

pytestmark = pytest.mark.usefixtures("untouched")

LENGTH = f"Content-Length: {len(BODY)}"
WITHOUT: dict[str, list[str]] = {
    "no header": [],
    "cookie": ["Cookie: Authorization=Bearer {key}"],
    "two headers": ["Authorization: Bearer {key}", "Authorization: Bearer {key}"],
    "two headers, one empty": ["Authorization: Bearer {key}", "Authorization:"],
    "two spaces": ["Authorization: Bearer  {key}"],
    "lower case": ["Authorization: bearer {key}"],
    "no scheme": ["Authorization: {key}"],
    "another header": ["X-Api-Key: {key}"],
    "upper case key": ["Authorization: Bearer {KEY}"],
    "latin-1": ["Authorization: Bearer {key}\xff"],
    "utf-8": ["Authorization: Bearer ключ".encode().decode("latin-1")],
    "SQL": ["Authorization: Bearer ' OR '1'='1"],
    "percent NUL": ["Authorization: Bearer %00"],
    "another's key": [f"Authorization: Bearer {new_key()[0]}"],
    "30 KB": ["Authorization: Bearer " + "a" * 30_000],
}


@pytest.mark.parametrize("case", WITHOUT)
def test_no_valid_key_is_401(worker: GatewayWorker, case: str) -> None:
    headers = [each.replace("{key}", worker.key).replace("{KEY}", worker.key.upper()) for each in WITHOUT[case]]
    with Raw(worker) as raw:
        raw.send(head("POST", CHAT, LENGTH, *headers) + BODY)
        answer = raw.answer()
        assert (answer.status, answer.code) == (401, "invalid_api_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert worker.key.encode() not in answer.body


def test_a_key_in_the_query_or_the_body_is_401(worker: GatewayWorker) -> None:
    answer = exchange(worker, head("POST", f"{CHAT}?key={worker.key}&api_key={worker.key}", LENGTH) + BODY)
    assert answer.code == "invalid_api_key"
    body = BODY[:-1] + b',"api_key":"' + worker.key.encode() + b'"}'
    answer = exchange(worker, head("POST", CHAT, f"Content-Length: {len(body)}") + body)
    assert answer.code == "invalid_api_key"


def test_a_key_of_a_megabyte_is_a_head_that_is_too_large(worker: GatewayWorker) -> None:
    sent = head("POST", CHAT, LENGTH, "Authorization: Bearer " + "a" * 1_000_000)
    answer = exchange(worker, sent)
    assert (answer.status, answer.code) == (431, "headers_too_large")


def test_a_line_break_in_a_key_ends_the_connection(worker: GatewayWorker) -> None:
    answer = exchange(worker, head("POST", CHAT, LENGTH, f"Authorization: Bearer\r\n {worker.key}"))
    assert (answer.status, answer.code) == (400, "bad_header")
