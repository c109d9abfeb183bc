"""`load.py PORT KEY STOP CLIENTS`: calls, of each client one after another, until the file STOP is there.

Runs inside a machine. Prints what came of the calls as JSON: answered ones, and what was said to the others.
"""

from __future__ import annotations

import http.client
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson

BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 8})


def client(port: int, key: str, stop: Path) -> tuple[int, list[str]]:
    answered, failures = 0, []
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    while not stop.exists():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            connection.request("POST", "/v1/chat/completions", BODY, headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status == 200 and orjson.loads(body)["choices"]:
                answered += 1
                stop.with_suffix(".answered").touch()
            else:
                failures.append(f"{answer.status} {body[:300]!r}")
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))
        finally:
            connection.close()
    return answered, failures


def main() -> None:
    port, key, stop = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    clients = int(sys.argv[4])
    with ThreadPoolExecutor(clients) as pool:
        done = list(pool.map(lambda _: client(port, key, stop), range(clients)))
    failures = [failure for _, failed in done for failure in failed]
    sys.stdout.buffer.write(orjson.dumps({"answered": sum(count for count, _ in done), "failures": failures}))


if __name__ == "__main__":
    main()
