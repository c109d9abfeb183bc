"""`python -m benchmarks.continuation`: CPU of a streamed call with continuation off and on, in one process.

Real parts, transports in memory, vLLM's own event texts: what differs is the recording alone. The least of many rounds
is shown, since everything else that runs on the machine only ever adds.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import msgspec
from tests.in_memory import STREAM, Gateway, feed, request

from forebay.gateway.view import view_of
from forebay.wire.chunked import LAST_CHUNK, chunk

_ROUNDS, _CALLS = 30, 20
_LONG, _SHORT = 256, 1
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_BODY = STREAM[:-1] + b',"temperature":0}'
_SAME = b'data: {"id":"chatcmpl-8963ce8f864a6518","object":"chat.completion.chunk","created":1795367265,"model":"m",'
_PROMPT = b"[" + b",".join(b"%d" % (number * 97) for number in range(200)) + b"]"


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        off, on = (_measured(Path(name), recorded=recorded) for recorded in (False, True))
    sys.stdout.write("| | off, µs | on, µs | increment, µs |\n|---|---|---|---|\n")
    for title, before, after in zip(("a call with one event", "each further event"), off, on, strict=True):
        sys.stdout.write(f"| {title} | {before:.2f} | {after:.2f} | {after - before:.2f} |\n")
    return 0


def _measured(folder: Path, *, recorded: bool) -> tuple[float, float]:
    """Microseconds of a call with one event, and of each event more."""
    gateway = Gateway(folder, places=_CALLS)
    snapshot = gateway.snapshot
    models = tuple(msgspec.structs.replace(each, continuation=recorded) for each in snapshot.models)
    engines = tuple(msgspec.structs.replace(each, continues=recorded) for each in snapshot.engines)
    gateway.parts.view = view_of("0" * 16, msgspec.structs.replace(snapshot, models=models, engines=engines))
    gateway.fleet.update(engines)
    short, long = (min(_round(gateway, count, recorded=recorded) for _ in range(_ROUNDS)) for count in (_SHORT, _LONG))
    return short, (long - short) / (_LONG - _SHORT)


def _round(gateway: Gateway, count: int, *, recorded: bool) -> float:
    pieces = [_HEAD, *_events(count, recorded=recorded)]
    whole = request(_BODY)
    engine = gateway.idle_connection()  # kept after each whole answer, and so taken by each call
    clients = [gateway.client() for _ in range(_CALLS)]
    began_s = time.process_time()
    for client in clients:
        feed(client, whole)
        feed(engine, *pieces)
    took_s = time.process_time() - began_s
    for client in clients:
        if not client.written.endswith(LAST_CHUNK) or client.written.count(b"\n\n") != count + 2:
            raise RuntimeError("a call was not answered whole")
        client.settle()
    engine.settle()
    return took_s / _CALLS * 1e6


def _events(count: int, *, recorded: bool) -> list[bytes]:
    first = b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'
    told = b',"prompt_token_ids":%b,"prompt_text":null}' % _PROMPT if recorded else b"}"
    ids = b',"token_ids":[10001]' if recorded else b""
    said = b'"choices":[{"index":0,"delta":{"content":" loyal"},"logprobs":null,"finish_reason":null%b}]}' % ids
    usage = b'"choices":[],"usage":{"prompt_tokens":40,"total_tokens":52,"completion_tokens":12}}'
    payloads = [_SAME + first + told, *[_SAME + said] * count, _SAME + usage, b"data: [DONE]"]
    return [*[chunk(each + b"\n\n") for each in payloads], LAST_CHUNK]


if __name__ == "__main__":
    sys.exit(main())
