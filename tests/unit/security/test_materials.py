"""The bill of materials out of the locks, and advisories that name a part of it, without a network."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from forebay.core.errors import UsageError
from forebay.security.materials import Material, advised, bill, installed, locked

LOCKS = sorted((Path(__file__).parents[3] / "requirements").glob("*.lock"))


def advisory(name: str = "thing", **affected: Any) -> dict[str, Any]:
    return {"id": "X-1", "summary": "bad", "affected": [{"package": {"ecosystem": "PyPI", "name": name}} | affected]}


def ranged(*events: dict[str, str]) -> dict[str, Any]:
    return advisory(ranges=[{"type": "ECOSYSTEM", "events": list(events)}])


def test_every_lock_is_read_whole_and_every_package_has_hashes() -> None:
    materials = locked(LOCKS)
    assert len(materials) > 100
    assert all(each.hashes for each in materials)
    assert "joserfc" in {each.name for each in materials}


def test_the_bill_is_cyclonedx_and_the_same_each_time() -> None:
    written = bill(locked(LOCKS), "1.0")
    assert json.dumps(written) == json.dumps(bill(locked(LOCKS), "1.0"))
    assert (written["bomFormat"], written["specVersion"]) == ("CycloneDX", "1.6")
    component = next(each for each in written["components"] if each["name"] == "joserfc")
    assert component["purl"] == f"pkg:pypi/joserfc@{component['version']}"
    assert component["externalReferences"]


def test_what_is_installed_can_be_listed_too() -> None:
    assert {"forebay", "joserfc", "cryptography"} <= {each.name for each in installed()}


@pytest.mark.parametrize("line", ["thing", "thing>=1", "thing==1.0", "git+https://x/y", "./local", "thing @ https://x"])
def test_a_lock_with_a_package_that_no_hash_holds_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "bad.lock"
    path.write_text(f"{line}\n")
    with pytest.raises(UsageError, match="no lock"):
        locked([path])


@pytest.mark.parametrize(
    ("entry", "versions"),
    [
        (ranged({"introduced": "0"}, {"fixed": "1.5"}), {"1.0", "1.4.9"}),
        (ranged({"introduced": "1.2"}, {"last_affected": "1.4.9"}), {"1.4.9"}),
        (ranged({"introduced": "0"}, {"fixed": "1.0"}, {"introduced": "1.5"}), {"1.5", "2.0"}),
        (ranged({"introduced": "3"}), set()),
        (ranged({"introduced": "not a version"}), {"1.0", "1.4.9", "1.5", "2.0"}),
        (advisory(versions=["1.5"]), {"1.5"}),
        (advisory("Thing", versions=["1.0"]), {"1.0"}),
        (advisory("other", versions=["1.0"]), set()),
        (advisory(versions=["1.0"]) | {"withdrawn": "2026-01-01"}, set()),
    ],
)
def test_an_advisory_names_the_versions_it_names(entry: dict[str, Any], versions: set[str]) -> None:
    materials = [Material("thing", version) for version in ("1.0", "1.4.9", "1.5", "2.0")]
    found = advised(materials, [entry])
    assert {each.version for each in found} == versions
    assert all(each.advisory == "X-1" for each in found)


def _wheel(folder: Path, said: str) -> Path:
    """The smallest package there is."""
    path = folder / "lockproof-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("lockproof.py", said)
        wheel.writestr("lockproof-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lockproof\nVersion: 1.0\n")
        wheel.writestr(
            "lockproof-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("lockproof-1.0.dist-info/RECORD", "")
    return path


def test_a_file_that_was_tampered_with_is_not_installed(tmp_path: Path) -> None:
    """As `make` installs: another file of the same name and version has another hash."""
    lock, into = tmp_path / "a.lock", tmp_path / "into"
    digest = hashlib.sha256(_wheel(tmp_path, "good = True").read_bytes()).hexdigest()
    lock.write_text(f"lockproof==1.0 \\\n    --hash=sha256:{digest}\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(tmp_path), "--no-deps"]
    argv = [*pip, "--disable-pip-version-check", "--require-hashes", "--target", str(into), "-r", str(lock)]
    assert subprocess.run(argv, capture_output=True, check=False, timeout=60).returncode == 0
    shutil.rmtree(into)
    _wheel(tmp_path, "good = False")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (into / "lockproof.py").exists()
