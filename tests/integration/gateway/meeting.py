"""Two workers of one gateway that have found one another."""

from __future__ import annotations

from tests.integration.gateway.raw import FIELDS, STREAM, Raw

from forebay.testing.worker import GatewayWorker, wait_for


def see_each_other(first: GatewayWorker, second: GatewayWorker, places: int) -> None:
    """Wait until neither of two workers finds a place while the other holds them all."""
    for holder, other in ((first, second), (second, first)):
        held = [Raw(holder).call(STREAM) for _ in range(places)]
        for each in held:
            each.until(b"begun")
        wait_for("one sees the other", lambda other=other: other.post(FIELDS)[0] == 503)
        for each in held:
            each.socket.close()
        wait_for("places are free", lambda holder=holder: holder.counted("forebay_engine_outstanding") == 0)
