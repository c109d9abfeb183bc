"""What all tests share."""

import os

import pytest
from hypothesis import settings

# Properties look at new examples on a developer's machine; a change is not refused for one that it did not cause.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files are what test runs side by side share out, but whoever needs the one real vLLM stays together."""
    for item in items:
        group = "vllm" if "real_vllm" in getattr(item, "fixturenames", ()) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
