"""What all tests share."""

import os

import pytest
from hypothesis import settings

# Properties look at new examples on a developer's machine; a change is not refused for one that it did not cause.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are what test runs side by side share out; those with a real vLLM stay together, as it fills the machine."""
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group("vllm" if file.startswith("tests/engine/") else file))
