"""A PostgreSQL for all tests of a run; what a test does to it, it takes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.postgresql import PostgresServer, missing


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    if why := missing():
        pytest.skip(why)
    with PostgresServer(tmp_path_factory.mktemp("postgresql")) as running:
        yield running
