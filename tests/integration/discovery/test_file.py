"""A file of engines while another program writes it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.integration.discovery.following import following

from forebay.core.files import write_atomically
from forebay.discovery.file import FileSource


def listing(*names: str) -> bytes:
    return b"engines:\n" + b"".join(
        b"- {url: 'http://%b.test:8000', name: %b}\n" % (n.encode(), n.encode()) for n in names
    )


def test_the_content_counts_and_not_the_times_of_the_file(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "engines.yaml"
        write_atomically(file, listing("a", "b"))
        os.utime(file, (1.0, 1.0))
        async with following(FileSource(file, 0.02)) as followed:
            await followed.until("both are found", lambda: followed.names == ["a", "b"])
            write_atomically(file, listing("a", "c"))
            os.utime(file, (1.0, 1.0))
            await followed.until("one has gone, another come", lambda: followed.names == ["a", "c"])

    asyncio.run(run())


def test_a_file_that_is_half_written_or_gone_keeps_the_last_good_one(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "engines.json"
        good = b'{"engines":[{"url":"http://10.0.0.1:8000","name":"a"}]}'
        file.write_bytes(good)
        async with following(FileSource(file, 0.02), settle_s=0.0) as followed:
            await followed.until("it is found", lambda: followed.names == ["a"])
            for cut in (1, len(good) // 2, len(good) - 1):
                file.write_bytes(good[:cut])
                await followed.until("half a file is told", lambda: followed.follower.trouble)
                assert followed.names == ["a"]
                file.write_bytes(good)
                await followed.until("the whole one is read", lambda: not followed.follower.trouble, 30)
            file.unlink()
            await followed.until("a missing file is told", lambda: "cannot be read" in followed.follower.trouble)
            file.write_bytes(b"engines: []")
            await followed.until("an empty list is told", lambda: "empty" in followed.follower.trouble, 30)
            assert followed.names == ["a"]

    asyncio.run(run())
