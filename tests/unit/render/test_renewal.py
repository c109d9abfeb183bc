"""How long the certificate that is served lasts, and that one which cannot be served is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.certificates import Authority

from forebay.admin.metrics_page import MetricsPage
from forebay.admin.status import Status
from forebay.observe.totals import CounterFolder
from forebay.render.renewal import days_left, is_refused, note_renewal
from forebay.store.state_dir import StateDir


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / ".forebay")
    found.prepare()
    return found


def serve(state: StateDir, days: float, conf: str = "nginx.conf") -> None:
    issued = Authority(state.root / "authority").issue("edge", days=(-1, days))
    name = "certificate-0123456789abcdef.pem"
    (state.edge / name).write_bytes(issued.key_file.read_bytes() + issued.chain.read_bytes())
    (state.edge / conf).write_text(f"ssl_certificate {state.edge}/{name};")


@pytest.mark.parametrize("conf", ["nginx.conf", "haproxy.cfg"])
@pytest.mark.parametrize("days", [30.0, 0.5, -0.5])
def test_the_days_of_the_served_certificate_are_told(state: StateDir, conf: str, days: float) -> None:
    serve(state, days, conf)
    left = days_left(state, datetime.now(UTC))
    assert left == pytest.approx(days, abs=0.01)


def test_without_an_edge_there_is_nothing_to_tell(state: StateDir) -> None:
    assert days_left(state) is None
    (state.edge / "nginx.conf").write_text("ssl_certificate certificate-0123456789abcdef.pem;")
    assert days_left(state) is None, "the file is gone"


def test_what_alerts_look_at_is_on_the_metrics_page(state: StateDir) -> None:
    page = MetricsPage(CounterFolder(state.counters), Status, lambda: 0.0, state)
    assert b"forebay_certificate_days_left " not in page.text()
    serve(state, 5.0)
    assert b"forebay_certificate_days_left 4.99" in page.text()
    assert b"forebay_certificate_refused 0.0" in page.text()
    note_renewal(state, "half a file")
    assert is_refused(state)
    assert b"forebay_certificate_refused 1.0" in page.text()
    note_renewal(state, "")
    note_renewal(state, "")
    assert b"forebay_certificate_refused 0.0" in page.text()
