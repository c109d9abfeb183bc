"""One real Valkey for tests that do not kill it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from forebay.testing.valkey import ValkeyServer


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as running:
        yield running
