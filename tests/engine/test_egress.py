"""A real vLLM behind gateway and edge sends nothing out: no usage report, no hub, no name that is asked for."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from forebay.testing.service import Service
from tests.integration.ops.test_egress import CLIENT
from tests.sealed_machine import SealedMachine

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare"))), reason="needs root and iproute2"
    ),
]


def test_a_real_engine_sends_nothing_out(vllm_model: dict[str, Any], tmp_path: Path) -> None:
    with SealedMachine(tmp_path) as machine:
        with Service(tmp_path, {"m": vllm_model}, prefix=machine.prefix) as service:
            port, ca = str(service.content["edge"]["https_port"]), str(service.state.tls / "ca.pem")
            assert machine.run(sys.executable, "-c", CLIENT, port, service.key, ca).split() == ["200", "200"]
        assert machine.sent() == set()
