"""500 clients that leave in the middle of a stream leave nothing behind."""

import asyncio

import httpx2
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from forebay.engines.record import read_record
from forebay.testing.worker import wait_for

LEAVERS = 500
AT_ONCE = 60


def engine_running(service) -> float:
    """What the engines themselves say they are working on, queued calls included."""
    total = 0.0
    for engine in service.status()["engines"]:
        text = httpx2.get(f"{engine['url']}/metrics", timeout=60).text
        for family in text_string_to_metric_families(text):
            if family.name in {"llamacpp:requests_processing", "llamacpp:requests_deferred"}:
                total += sum(sample.value for sample in family.samples)
    return total


def gateway_counts(service) -> dict[str, float]:
    text = httpx2.get(service.metrics_url, timeout=60).text
    names = {"forebay_engine_outstanding", "forebay_calls_in_flight", "forebay_queue_calls"}
    families = [family for family in text_string_to_metric_families(text) if family.name in names]
    return {family.name: sum(sample.value for sample in family.samples) for family in families}


def open_files(service) -> int:
    workers = [read_record(service.state.unit(f"worker-{number}")).program.pid for number in (1, 2)]
    return sum(psutil.Process(pid).num_fds() for pid in workers)


async def leave_mid_stream(service) -> int:
    """Open streams, read their first event, and drop them; returns how many got that far."""
    fields = {
        "model": "smollm2",
        "messages": [{"role": "user", "content": "Tell me a very long story."}],
        "max_tokens": 512,
        "stream": True,
    }
    began = 0
    gate = asyncio.Semaphore(AT_ONCE)
    headers = {"authorization": f"Bearer {service.key}"}

    async def leaver(http: httpx2.AsyncClient) -> None:
        nonlocal began
        async with gate, http.stream("POST", f"{service.url}/chat/completions", json=fields, headers=headers) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    began += 1
                    return

    async with httpx2.AsyncClient(verify=service.tls(), timeout=120) as http, asyncio.TaskGroup() as tasks:
        for _ in range(LEAVERS):
            tasks.create_task(leaver(http))
    return began


@pytest.mark.timeout(300)
def test_nothing_is_left_of_500_clients_that_leave(service):
    idle_files = open_files(service)

    began = asyncio.run(leave_mid_stream(service))

    assert began == LEAVERS
    wait_for("the engines work on nothing", lambda: engine_running(service) == 0)
    wait_for("the gateway holds nothing", lambda: set(gateway_counts(service).values()) == {0.0})
    wait_for("no socket is left", lambda: open_files(service) <= idle_files + 4, 90)
