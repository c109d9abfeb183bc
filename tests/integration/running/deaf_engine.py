"""An engine that never learns that a client has left: its work goes on, and its metrics say so."""

from __future__ import annotations

import argparse
import signal

from forebay.testing.fake_engine import Exchange, FakeEngine, completion, delta


class Deaf:
    """Each stream is work for ever, whoever still listens."""

    def __init__(self) -> None:
        self.streams = 0
        self.tokens = 0

    async def __call__(self, exchange: Exchange) -> None:
        if exchange.head.startswith(b"GET /metrics "):
            self.tokens += 1
            page = f"vllm:num_requests_running {self.streams}\nvllm:generation_tokens_total {self.tokens}\n"
            await exchange.answer(page.encode(), content_type="text/plain")
        elif exchange.fields.get("stream"):
            self.streams += 1
            await exchange.begin_stream()
            await exchange.event(delta("more"))
            await exchange.until_client_leaves()
        else:
            await exchange.answer(completion("hello"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options, _ = parser.parse_known_args()
    with FakeEngine(Deaf(), port=options.port):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
