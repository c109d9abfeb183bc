"""Where keys are kept is known although the rest of the file is wrong: a key must be revocable even then."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.config.load import load_store
from forebay.config.schema.store import Store
from forebay.core.errors import ConfigError

POSTGRES = "store: {postgres: {host: db, pepper: 'file:pepper', poll: 3s}}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "forebay.yaml"
    path.write_text(f"version: 1\n{text}")
    return path


def test_without_a_word_it_is_the_machine_s_own(tmp_path: Path) -> None:
    assert load_store(written(tmp_path, "")) == Store()


def test_mistakes_elsewhere_do_not_matter(tmp_path: Path) -> None:
    found = load_store(written(tmp_path, f"{POSTGRES}models: 7\nnonsense: true\n")).postgres
    assert found is not None
    assert (found.host, found.poll, found.tls, found.grace) == ("db", 3.0, True, 3600.0)


def test_the_environment_that_is_named_counts(tmp_path: Path) -> None:
    path = written(tmp_path, "environments: {production: {store: {postgres: {host: db, pepper: 'env:P'}}}}\n")
    assert load_store(path).postgres is None
    assert load_store(path, "production").secrets == ("env:P",)


@pytest.mark.parametrize("text", ["store: {postgres: {host: db}}\n", "store: {postgres: {hots: db}}\n", "store: 7\n"])
def test_a_mistake_there_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_store(written(tmp_path, text))
    assert any("forebay.yaml:2" in finding.where for finding in refused.value.findings)
