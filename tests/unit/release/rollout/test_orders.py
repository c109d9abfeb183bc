"""An order is taken once, and one that cannot be read is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.release.rollout.orders import FILE, Order, leave, take


def test_an_order_is_taken_once(tmp_path: Path) -> None:
    order = Order(change="I1", wish="pause", by="ann", reason="lunch")
    leave(tmp_path, order)
    assert take(tmp_path) == order
    assert take(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b'{"change":"I1","wish":"explode","by":"x"}', b"\xff"])
def test_what_is_no_order_is_dropped(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert take(tmp_path) is None
    assert not (tmp_path / FILE).exists()
