"""One edge of each kind before one fake gateway, for tests that change neither."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.edge import fake_gateway, real_edge

LIMIT_BYTES = 256 * 1024


@pytest.fixture(scope="module")
def gateway() -> Iterator[fake_gateway.FakeGateway]:
    with fake_gateway.running() as fake:
        yield fake


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which program is the edge: what is claimed of one holds for the other, unless the test says where not."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def edge(
    kind: str, gateway: fake_gateway.FakeGateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[real_edge.Edge]:
    # A path with a space and a quote: nothing rendered may depend on plain names.
    root: Path = tmp_path_factory.mktemp("edge") / 'a "state" dir; #1'
    root.mkdir()
    with real_edge.edge(root, kind, [gateway.port], gateway={"limits": {"body": "256KiB"}}) as running:
        yield running
