"""`client.py URL CA KEY MODEL`: one call by an unmodified OpenAI client; prints the answer as JSON."""

from __future__ import annotations

import ssl
import sys

import httpx2
from openai import OpenAI


def main() -> None:
    url, authority, key, model = sys.argv[1:]
    trusting = httpx2.Client(verify=ssl.create_default_context(cafile=authority))
    with OpenAI(base_url=url, api_key=key, http_client=trusting, timeout=240) as client:
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Say yes."}], max_tokens=8
        )
    sys.stdout.write(answer.model_dump_json())


if __name__ == "__main__":
    main()
