"""What a running service's own log says that its calls cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from openai import BadRequestError, OpenAI

from forebay.testing.service import Service
from forebay.testing.worker import wait_for
from forebay.tune.cost.costs import EXAMPLE


@pytest.mark.long
def test_the_calls_of_a_service_are_shared_out(tmp_path: Path) -> None:
    import httpx2  # noqa: PLC0415  beside the client that uses it

    with Service(tmp_path, {"smollm2": {"engines": [{"kind": "embedded", "count": 2, "threads": 1}]}}) as service:
        http = httpx2.Client(verify=service.tls(), timeout=120)
        with OpenAI(base_url=service.url, api_key=service.key, http_client=http, max_retries=0) as client:
            for _call in range(3):
                client.completions.create(model="smollm2", prompt="Once upon a time", max_tokens=16)
            with pytest.raises(BadRequestError):
                client.completions.create(model="smollm2", prompt="x", max_tokens=-1)
        words = ("cost", "report", "--prices", str(EXAMPLE), "-o", "json")

        def told() -> bool:
            return json.loads(service.run(*words, check=False).stdout or "{}").get("good_calls") == 3

        wait_for("three good calls are in the log", told)
        found = json.loads(service.run(*words).stdout)
    assert found["output_tokens"] == 48
    assert found["input_tokens"] > 0
    assert [each["model"] for each in found["shares"] if each["good"]] == ["smollm2"]
    assert float(found["per_good_call"]) > 0
    assert 0 < float(found["idle_ratio"]) < 1
