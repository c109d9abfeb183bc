"""What all tests share."""

import os

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A machine may be busy: how long an example took, or was drawn for, says nothing about forebay.
_AT_ANY_SPEED = (HealthCheck.too_slow,)
settings.register_profile("default", deadline=None, suppress_health_check=_AT_ANY_SPEED)
settings.load_profile("default")
# Properties look at new examples on a developer's machine; a change is not refused for one that it did not cause.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=_AT_ANY_SPEED)
if os.environ.get("CI"):
    settings.load_profile("ci")


class Files(LoadScopeScheduling):
    """Runs side by side share files out; those with a real vLLM stay together, as it fills the machine."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "vllm" if file.startswith("tests/engine/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Files:
    return Files(config, log)
