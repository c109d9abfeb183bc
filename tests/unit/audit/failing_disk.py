"""A disk that forgets: what was written and not synced is dropped or torn, sector by sector, when the power is cut."""

from __future__ import annotations

import random
from pathlib import Path

import apsw

SECTOR_BYTES = 512


class PowerCut(Exception):
    """Nothing after this moment happens."""


class ForgetfulDisk(apsw.VFS):
    """Writes reach the file at once, and are taken back at `cut` unless a sync came after them."""

    def __init__(self, name: str, dice: random.Random) -> None:
        super().__init__(name, "")
        self.name = name
        self.dice = dice
        self.files: list[ForgetfulFile] = []
        self.syncs_left = 10**9
        self.is_cut = False

    def xOpen(self, name, flags):  # noqa: N802  SQLite's name
        opened = ForgetfulFile(self, name, flags)
        self.files.append(opened)
        return opened

    def check_power(self) -> None:
        if self.is_cut:
            raise PowerCut

    def sync(self) -> bool:
        """Whether a sync that is asked for now still happens."""
        self.check_power()
        self.syncs_left -= 1
        return self.syncs_left >= 0

    def cut(self) -> None:
        """The power is gone: of each sector that was not synced, what is there is old or new."""
        self.is_cut = True
        for file in self.files:
            file.forget()


class ForgetfulFile(apsw.VFSFile):
    def __init__(self, disk: ForgetfulDisk, name, flags) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        self._old: dict[int, bytes] = {}
        self._synced_bytes = self._path.stat().st_size

    def xWrite(self, data, offset):  # noqa: N802  SQLite's name
        self._disk.check_power()
        self._remember(offset, len(data))
        super().xWrite(data, offset)

    def xTruncate(self, size):  # noqa: N802  SQLite's name
        self._disk.check_power()
        self._remember(size, max(0, self.xFileSize() - size))
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802  SQLite's name
        if not self._disk.sync():
            self._disk.cut()
            raise PowerCut
        super().xSync(flags)
        self._old = {}
        self._synced_bytes = self.xFileSize()

    def forget(self) -> None:
        if not self._path.exists():
            return
        content = bytearray(self._path.read_bytes())
        keeps_length = self._disk.dice.random() < 0.5
        for sector, old in sorted(self._old.items()):
            if self._disk.dice.random() < 0.5:
                start = sector * SECTOR_BYTES
                content[start : start + len(old)] = old
        if not keeps_length:
            content = content[: self._synced_bytes].ljust(self._synced_bytes, b"\0")
        self._path.write_bytes(content)

    def _remember(self, offset: int, count: int) -> None:
        """What each sector held when it was last synced."""
        sectors = range(offset // SECTOR_BYTES, (offset + count + SECTOR_BYTES - 1) // SECTOR_BYTES)
        with self._path.open("rb") as file:
            for sector in sectors:
                if sector not in self._old:
                    file.seek(sector * SECTOR_BYTES)
                    self._old[sector] = file.read(SECTOR_BYTES).ljust(SECTOR_BYTES, b"\0")
