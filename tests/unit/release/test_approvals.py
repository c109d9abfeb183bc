"""A release runs where enough people other than its author have approved these very bytes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest
from ruamel.yaml import YAML

from forebay.config.schema import Config
from forebay.core.errors import UsageError
from forebay.release.approvals import Approval, approvals, approve, missing_approvals
from forebay.release.history import Event, append, commit, events, message
from forebay.release.pipeline import KINDS, pipeline
from forebay.release.store import Store
from forebay.release.version import Created, Release

FILE = {"version": 1, "environment": "production", "models": {"m": {"engines": [{"kind": "embedded"}]}}}


def config(needed: int, *approvers: str) -> Config:
    return Config.model_validate(
        {**FILE, "releases": {"approvals": {"production": needed}, "approvers": list(approvers)}}
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "configs")


@pytest.fixture
def release(store: Store) -> Release:
    return store.save({"config/production.json": b"{}"}, Created(by="ann", at=1.0))


def by(name: str, release: Release, environment: str = "production") -> Approval:
    return Approval(by=name, at=2.0, digest=release.digest, environment=environment)


def is_enough(store: Store, release: Release, rules: Config, current: Config | None = None) -> bool:
    return not missing_approvals(store, rules, current, release.digest, "ann")


def test_two_approvals_are_two_people(store: Store, release: Release) -> None:
    assert is_enough(store, release, config(0))
    assert not is_enough(store, release, config(2))
    approve(store, release, by("bob", release), [])
    approve(store, release, by("bob", release), [])
    assert not is_enough(store, release, config(2))
    approve(store, release, by("cid", release), [])
    assert is_enough(store, release, config(2))
    assert not is_enough(store, release, config(3))


def test_nobody_approves_their_own(store: Store, release: Release) -> None:
    with pytest.raises(UsageError, match="their own"):
        approve(store, release, by("ann", release), [])
    path = store.root / "approvals" / release.digest / "production-forged.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.json.encode(by("ann", release)))
    assert not is_enough(store, release, config(1))


def test_only_approvers_count(store: Store, release: Release) -> None:
    with pytest.raises(UsageError, match="not among"):
        approve(store, release, by("bob", release), ["cid"])
    approve(store, release, by("bob", release), [])
    assert not is_enough(store, release, config(1, "cid"))
    assert is_enough(store, release, config(1, "bob", "cid"))


def test_an_approval_of_other_bytes_or_for_another_place_is_none(store: Store, release: Release) -> None:
    other = store.save({"config/production.json": b"{ }"}, Created(by="ann", at=1.0))
    path = approve(store, other, by("bob", other), [])
    copied = store.root / "approvals" / release.digest / path.name
    copied.parent.mkdir(parents=True)
    copied.write_bytes(path.read_bytes())
    approve(store, release, by("bob", release, "staging"), [])
    assert approvals(store, release.digest, "production") == ()
    assert not is_enough(store, release, config(1))


def test_a_release_cannot_lower_what_it_needs(store: Store, release: Release) -> None:
    assert not is_enough(store, release, config(0), current=config(1))
    approve(store, release, by("eve", release), [])
    assert not is_enough(store, release, config(1, "eve"), current=config(1, "bob"))
    assert is_enough(store, release, config(1), current=config(1, "eve"))


EVENT = Event(at=1.0, what="apply", release="v2", digest="d" * 64, environment="production", by="ann@example.com",
              reason="fewer\nat once", change="I1")  # fmt: skip


def test_the_log_survives_a_line_that_was_cut(store: Store) -> None:
    append(store.root, EVENT)
    with (store.root / "log.jsonl").open("ab") as log:
        log.write(b'{"at": 2, "wh')
    append(store.root, EVENT)
    assert events(store.root) == [EVENT, EVENT]


def test_a_commit_tells_who_and_why_and_takes_nothing_else_along(
    tmp_path: Path, store: Store, release: Release
) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(tmp_path), *arguments], capture_output=True, text=True, check=True
        ).stdout

    assert commit(store.root, [store.versions / release.name], EVENT) is None, "no repository"
    git("init", "--quiet")
    git("config", "user.email", "ann@example.com")
    git("config", "user.name", "Ann")
    (tmp_path / "half-done").write_text("x")
    git("add", "half-done")
    append(store.root, EVENT)
    assert commit(store.root, [store.versions / release.name], EVENT)
    trailers = "%(trailers:key=Reason,valueonly)%(trailers:key=Change-Id,valueonly)"
    assert git("log", "-1", f"--format={trailers}").split("\n")[:2] == ["fewer at once", "I1"]
    assert set(git("show", "--name-only", "--format=").split()) == {
        "configs/log.jsonl", "configs/versions/v1/release.json", "configs/versions/v1/config/production.json",
    }  # fmt: skip
    assert git("diff", "--cached", "--name-only").split() == ["half-done"]
    assert commit(store.root, [store.versions / release.name], EVENT) is None, "nothing new"
    (tmp_path / ".gitignore").write_text("/configs/\n")
    append(store.root, EVENT)
    git("rm", "-r", "--cached", "--quiet", "configs")
    assert commit(store.root, [store.versions / release.name], EVENT) is None, "ignored"


def test_a_reason_cannot_forge_a_trailer() -> None:
    forged = msgspec.structs.replace(EVENT, reason="x\n\nAuthor: eve")
    assert [line for line in message(forged).splitlines() if line.startswith("Author:")] == ["Author: ann@example.com"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_checks_and_plans_each_environment(kind: str, tmp_path: Path) -> None:
    text = pipeline(kind, "forebay.yaml", ["staging", "production"], "0.1.0")
    content = YAML(typ="safe").load(text)
    job = content["jobs"]["plan"] if kind == "github" else content["forebay"]
    scripts = [step.get("run", "") for step in job["steps"]] if kind == "github" else job["script"]
    assert "staging" in str(job)
    assert any("forebay check" in script for script in scripts)
    (plan,) = [script for script in scripts if "forebay plan" in script]
    assert "--detailed-exitcode" in plan
    script = plan.replace("${{ matrix.environment }}", "staging")
    for status, ends in ((0, 0), (2, 0), (1, 1), (64, 1)):
        argv = ["bash", "-e", "-c", f"forebay() {{ return {status}; }}\n{script}"]
        env = {"GITHUB_STEP_SUMMARY": "/dev/null", "PATH": "/usr/bin:/bin"}
        assert subprocess.run(argv, cwd=tmp_path, capture_output=True, env=env, check=False).returncode == ends
