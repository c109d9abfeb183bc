"""What all tests share."""

import os

from hypothesis import settings

# Properties look at new examples on a developer's machine; a change is not refused for one that it did not cause.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
