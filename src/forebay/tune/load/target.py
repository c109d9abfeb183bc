"""What is measured: an address that speaks OpenAI's API, and where the engines behind it show their counters."""

from __future__ import annotations

import msgspec

COMPLETIONS, CHAT, RESPONSES = "/v1/completions", "/v1/chat/completions", "/v1/responses"
PATHS = (COMPLETIONS, CHAT, RESPONSES)


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`url` without path, such as https://127.0.0.1:8443. `ca_file` signs its certificate where no public one does."""

    url: str
    model: str
    key: str = ""
    path: str = COMPLETIONS
    ca_file: str = ""
    engine_metrics_urls: tuple[str, ...] = ()

    @property
    def without_key(self) -> Target:
        """As it may be written into a report."""
        return msgspec.structs.replace(self, key="")
