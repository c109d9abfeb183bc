"""Copies of certificates and lists beside the edge's file: the newest stay, and those that it names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forebay.render.edge_certificate import prune


@pytest.mark.parametrize("name", ["certificate", "client-ca", "client-crl"])
def test_the_newest_copies_stay_and_the_one_that_is_named(name: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}-{number:016x}.pem" for number in range(6)]
    for age, file in enumerate(files):
        file.touch()
        os.utime(file, (1e9 - age, 1e9 - age))
    prune(tmp_path, f"file {files[4]};".encode())
    assert sorted(tmp_path.iterdir()) == [*files[:3], files[4]]
