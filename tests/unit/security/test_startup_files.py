"""Files that run before ours: a `.pth` that nobody vouches for is found, as is one that runs code whoever vouches."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.security.startup_files import foreign_startup_files


def install(folder: Path, name: str, files: dict[str, str]) -> None:
    """A package with these files, as an installer records them."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for file, text in files.items():
        (folder / file).write_text(text)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def found(folder: Path) -> dict[str, str]:
    return {path.name: why for path, why in foreign_startup_files([folder])}


def test_this_environment_is_clean() -> None:
    assert foreign_startup_files() == ()


def test_a_place_of_an_installed_package_is_known(tmp_path: Path) -> None:
    install(tmp_path, "good", {"good.pth": "/somewhere/src\n"})
    assert found(tmp_path) == {}


@pytest.mark.parametrize("text", ["import os", "import\tos", "# a comment\nimport base64; exec(x)\n", "/a\nimport b\n"])
def test_a_program_is_found_even_where_a_package_names_it(tmp_path: Path, text: str) -> None:
    install(tmp_path, "stolen", {"stolen_init.pth": text})
    assert "runs code" in found(tmp_path)["stolen_init.pth"]


def test_what_no_package_names_is_found(tmp_path: Path) -> None:
    (tmp_path / "foreign.pth").write_text("/elsewhere\n")
    (tmp_path / "long.pth").write_text("#" * 70_000)
    (tmp_path / "sitecustomize.py").write_text("")
    (tmp_path / "usercustomize.py").write_text("")
    assert set(found(tmp_path)) == {"foreign.pth", "long.pth", "sitecustomize.py", "usercustomize.py"}


def test_a_known_program_that_no_package_names_is_found(tmp_path: Path) -> None:
    (tmp_path / "distutils-precedence.pth").write_text("import os; os.system('x')\n")
    assert "no installed package" in found(tmp_path)["distutils-precedence.pth"]
