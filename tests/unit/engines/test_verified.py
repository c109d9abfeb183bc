"""An engine starts only with the weights that were named."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from forebay.engines import verified
from forebay.engines.checked import checked_anywhere, checked_here
from forebay.engines.spec import EngineSpec
from forebay.engines.verified import WrongWeightsError, verify


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    (folder / "part").mkdir(parents=True)
    files = {"config.json": b"{}", "part/model.safetensors": b"numbers"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lines = [f"{sha256(content)}  {name}\n" for name, content in files.items()]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def told(folder: Path) -> str:
    return sha256((folder / "SHA256SUMS").read_bytes())


def test_a_folder_that_agrees_is_taken(weights: Path) -> None:
    verify(told(weights), weights, "=")


def test_a_file_that_agrees_is_taken(weights: Path) -> None:
    verify(sha256(b"numbers"), weights / "part" / "model.safetensors", "=")


def test_another_byte_is_refused(weights: Path) -> None:
    (weights / "part" / "model.safetensors").write_bytes(b"numbErs")
    with pytest.raises(WrongWeightsError, match=r"model\.safetensors has the SHA-256"):
        verify(told(weights), weights, "=")


def test_another_list_is_refused(weights: Path) -> None:
    before = told(weights)
    (weights / "SHA256SUMS").write_text("")
    with pytest.raises(WrongWeightsError, match="SHA256SUMS has the SHA-256"):
        verify(before, weights, "=")


def test_a_file_that_nobody_named_is_refused(weights: Path) -> None:
    (weights / "modeling.py").write_text("import os")
    with pytest.raises(WrongWeightsError, match=r"does not name .*modeling\.py"):
        verify(told(weights), weights, "=")


def test_a_missing_file_is_refused(weights: Path) -> None:
    (weights / "config.json").unlink()
    with pytest.raises(OSError, match=r"config\.json"):
        verify(told(weights), weights, "=")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd"])
def test_a_list_does_not_reach_outside(weights: Path, name: str) -> None:
    with (weights / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(WrongWeightsError, match="outside"):
        verify(told(weights), weights, "=")


def test_what_is_unchanged_is_not_read_again(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = str(tmp_path / "run" / "known")
    verify(told(weights), weights, known)
    assert "2 files of 0.0 GiB are what they should be" in capsys.readouterr().err
    verify(told(weights), weights, known)
    assert "unchanged since they were checked" in capsys.readouterr().err


def test_where_nothing_can_be_kept_it_is_told_and_given_again(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verify(told(weights), weights, "=")
    seen = capsys.readouterr().err.rpartition(verified.SEEN)[2].strip()
    verify(told(weights), weights, f"={seen}")
    assert "unchanged since they were checked" in capsys.readouterr().err


def test_what_has_changed_is_read_again(weights: Path, tmp_path: Path) -> None:
    known = str(tmp_path / "known")
    verify(told(weights), weights, known)
    (weights / "config.json").write_bytes(b"{x")
    with pytest.raises(WrongWeightsError):
        verify(told(weights), weights, known)


def spec(weights: Path, checksum: str) -> EngineSpec:
    argv = (sys.executable, "-c", "print('the engine runs')")
    return EngineSpec(
        name="e", model="m", kind="vllm", argv=argv, max_outstanding=1, weights=str(weights), weights_sha256=checksum
    )


@pytest.mark.parametrize("anywhere", [False, True])
def test_the_program_takes_the_place_of_the_check(weights: Path, tmp_path: Path, anywhere: bool) -> None:
    engine = spec(weights, told(weights))
    argv = checked_anywhere(engine, engine.argv) if anywhere else checked_here(engine, engine.argv, str(tmp_path))
    if anywhere:
        argv = (sys.executable, *argv[1:])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "the engine runs\n")


def test_without_its_weights_the_program_does_not_run(weights: Path, tmp_path: Path) -> None:
    engine = spec(weights, "0" * 64)
    argv = checked_here(engine, engine.argv, str(tmp_path))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (65, "")
    assert "error: the weights are not what they should be" in done.stderr


def test_an_engine_without_a_checksum_is_started_as_it_is(weights: Path) -> None:
    engine = spec(weights, "")
    assert checked_here(engine, engine.argv, "run") == checked_anywhere(engine, engine.argv) == engine.argv


def test_the_check_needs_nothing_of_ours() -> None:
    assert "import forebay" not in (text := Path(verified.__file__).read_text())
    assert "from forebay" not in text
