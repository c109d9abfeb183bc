"""`stream.py PORT KEY BEGIN`: as soon as the file BEGIN is there, some streams, each once the one before it flows.

Each takes about `LASTS_S`, by the speed of one before them. BEGIN.flow tells that all flow, BEGIN.ended that one has
ended, and BEGIN.over ends them. Runs inside a machine. Prints what came of them as JSON: how many tokens each was to
have, how many it had, and how it ended.
"""

from __future__ import annotations

import http.client
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import orjson

STREAMS = 3
LASTS_S = 20.0
LEAST_TOKENS, MOST_TOKENS = 1500, 2600
_TRIAL_TOKENS = 48


def stream(port: int, key: str, tokens: int, flows: Event, over: Path) -> dict[str, Any]:
    body = {"model": "m", "prompt": "Once upon a time", "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    found: dict[str, Any] = {"asked": tokens, "tokens": 0, "finish": "", "ended": ""}
    try:
        connection.request("POST", "/v1/completions", orjson.dumps(body), headers)
        answer = connection.getresponse()
        for line in answer:
            flows.set()
            if over.exists():  # whoever began it cannot kill this where it runs in a namespace
                return found | {"ended": "over"}
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                return found | {"ended": "done"}
            event = orjson.loads(line[6:])
            if event.get("usage"):
                found["tokens"] = event["usage"]["completion_tokens"]
            for choice in event.get("choices", ()):
                found["finish"] = choice.get("finish_reason") or found["finish"]
        return found | {"ended": f"status {answer.status}, cut"}
    except (OSError, http.client.HTTPException, KeyError, orjson.JSONDecodeError) as error:
        return found | {"ended": repr(error)}
    finally:
        flows.set()
        connection.close()


def main() -> None:
    port, key, begin = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    over = begin.with_suffix(".over")
    began_s = time.monotonic()
    stream(port, key, _TRIAL_TOKENS, Event(), over)
    tokens_per_s = _TRIAL_TOKENS / (time.monotonic() - began_s)
    tokens = max(LEAST_TOKENS, min(MOST_TOKENS, round(tokens_per_s * LASTS_S)))
    begin.with_suffix(".tried").touch()
    while not begin.exists():
        if over.exists():
            return
        time.sleep(0.01)
    running: list[Future[dict[str, Any]]] = []
    with ThreadPoolExecutor(STREAMS) as pool:
        for _number in range(STREAMS):
            flows = Event()
            running.append(pool.submit(stream, port, key, tokens, flows, over))
            running[-1].add_done_callback(lambda _done: begin.with_suffix(".ended").touch())
            flows.wait()
        begin.with_suffix(".flow").touch()
    sys.stdout.buffer.write(orjson.dumps([each.result() for each in running]))


if __name__ == "__main__":
    main()
