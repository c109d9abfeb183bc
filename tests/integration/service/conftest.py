"""One running service for all tests that only use it; tests that break things start their own."""

from collections.abc import Iterator

import httpx2
import openai
import pytest

from forebay.testing.service import Service

# One thread each: several that wait for one another stand still on a machine whose cores are all busy.
EMBEDDED = {"smollm2": {"aliases": ["gpt-4o-mini"], "engines": [{"kind": "embedded", "count": 2, "threads": 1}]}}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), EMBEDDED) as running:
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[openai.OpenAI]:
    with client_of(service) as made:
        yield made


def client_of(service: Service, **options: object) -> openai.OpenAI:
    """An unmodified OpenAI client that trusts the development CA."""
    http = httpx2.Client(verify=service.tls())
    return openai.OpenAI(base_url=service.url, api_key=service.key, http_client=http, max_retries=0, **options)
