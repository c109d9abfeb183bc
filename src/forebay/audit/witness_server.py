"""The witness as a service of its own, on a machine of its own."""

from __future__ import annotations

import time
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from forebay.audit.note import Signer, Verifier
from forebay.audit.witness import Witness

_LARGEST_BYTES = 64 * 1024


def application(folder: Path, signer: Signer, logs: tuple[Verifier, ...]) -> Starlette:
    """`POST /add-checkpoint`, and the witness's public key at `/`."""
    witness = Witness(folder, signer, logs, time.time)

    async def add_checkpoint(asked: Request) -> Response:
        body = bytearray()
        async for part in asked.stream():
            body += part
            if len(body) > _LARGEST_BYTES:
                return PlainTextResponse("too large\n", 413)
        reply = await run_in_threadpool(witness.add_checkpoint, bytes(body))
        return Response(reply.body, reply.status, media_type=reply.content_type)

    async def key(_asked: Request) -> Response:
        return PlainTextResponse(f"{signer.verifier}\n")

    return Starlette(routes=[Route("/add-checkpoint", add_checkpoint, methods=["POST"]), Route("/", key)])


def serve(app: Starlette, bind: str, port: int) -> None:
    """Serve until SIGTERM."""
    uvicorn.run(app, host=bind, port=port, log_level="warning", access_log=False)
