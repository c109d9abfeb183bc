"""What is carried to a GPU that can fetch nothing fits into parts of the size that may be carried."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
MIB = 1 << 20


def test_no_part_is_larger_than_may_be_carried(tmp_path: Path) -> None:
    """The pieces leave too little of their last part for the tokenizer."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    known = shutil.which("git") and subprocess.run(asked, capture_output=True, check=False)
    if not known or known.returncode:
        pytest.skip("what is packed comes out of git")
    wheels, tokenizer = tmp_path / "out" / "kept" / "wheels", tmp_path / "tokenizer"
    for folder in (wheels, tokenizer):
        folder.mkdir(parents=True)
    (wheels / ".whole").touch()
    (wheels / "some.whl").write_bytes(bytes(7 * MIB))
    (wheels.parent / "vllm.tar.xz").write_bytes(bytes(8 * MIB))
    (tokenizer / "tokenizer.json").write_bytes(bytes(4 * MIB))
    subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "gpu" / "pack.sh"), str(tmp_path / "out"), str(tokenizer)],
        env={**os.environ, "PART_MIB": "16"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    parts = sorted((tmp_path / "out").glob("part*"))
    sizes = [sum(path.stat().st_size for path in part.rglob("*") if path.is_file()) for part in parts]
    assert len(sizes) == 2
    assert max(sizes) <= 16 * MIB
    last = {path.name for path in parts[-1].iterdir()}
    assert last == {"pieces", "tree.tgz", "commit", "visit.sh", "unpack.sh", "model-8b"}
