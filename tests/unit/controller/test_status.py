"""The status is written with codes, and read in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from forebay.cli.main import run
from forebay.controller.status import (
    ControllerStatus,
    EdgeStatus,
    EngineStatus,
    GatewayStatus,
    ReleaseStatus,
    RolloutStatus,
    Status,
    WorkerStatus,
    read_status,
    write_status,
)
from forebay.messages import speak
from forebay.messages.reasons import because

PAUSED = because("rollout_paused")
HELD = RolloutStatus(
    strategy="canary",
    stage="held",
    step=1,
    steps=2,
    share_ratio=0.1,
    step_ends_at=None,
    held=str(PAUSED),
    cause=PAUSED,
    no_baseline="",
)
SILENT = because("health_silent", seconds=7)


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    common = {"url": "", "pid": 0, "since": 0.0}
    worker = because("answers")
    status = Status(
        state="degraded",
        reasons=(),
        edge=EdgeStatus(name="edge", state="none", reason="", **common),
        gateway=GatewayStatus(
            url="",
            admin_url="",
            workers=(
                WorkerStatus(name="worker-1", state="ready", reason=str(worker), cause=worker, snapshot="", **common),
            ),
        ),
        console_url=None,
        engines=(
            EngineStatus(
                name="m-1", state="stalled", reason=str(SILENT), cause=SILENT, model="m", kind="vllm", **common
            ),
        ),
        release=ReleaseStatus(name="v1", digest="d", rollout=HELD),
        controller=ControllerStatus(pid=0, read_at=0.0, updated_at=0.0, environment="development"),
        snapshot="",
    ).because(
        because("unit", name="m-1", state=because("stalled"), why=SILENT), because("edge_closed"), state="degraded"
    )
    found = tmp_path / ".forebay" / "run" / "status.json"
    found.parent.mkdir(parents=True)
    write_status(found, status)
    yield found
    speak("en")


def test_the_file_holds_english_and_codes_for_programs(path: Path) -> None:
    written = msgspec.json.decode(path.read_bytes())
    (engine,) = written["engines"]
    assert engine["reason"] == "/health has not answered for 7 s"
    assert engine["cause"] == {"code": "health_silent", "values": {"seconds": 7}}
    assert written["reasons"][0] == "m-1 stalled: /health has not answered for 7 s"
    assert [each["code"] for each in written["causes"]] == ["unit", "edge_closed"]


def test_people_are_told_it_in_their_language_and_programs_in_english(path: Path) -> None:
    speak("zh")
    seen = read_status(path)
    assert seen is not None
    assert msgspec.json.encode(seen) == path.read_bytes()
    assert seen.engines[0].said.shown == "/health 已 7 秒没有应答"
    assert seen.gateway.workers[0].said.shown == "有应答"
    assert seen.shown[0] == "m-1 停滞：/health 已 7 秒没有应答"
    assert seen.release is not None
    assert seen.release.rollout is not None
    assert seen.release.rollout.held_shown == "已暂停：等待 `forebay rollout resume`"


@pytest.fixture
def older(path: Path) -> Path:
    """The file as a build wrote it that knew no codes."""
    written = msgspec.json.decode(path.read_bytes())
    del written["causes"], written["engines"][0]["cause"]
    path.write_bytes(msgspec.json.encode(written))
    return path


def test_what_an_older_build_wrote_is_told_in_its_words(older: Path) -> None:
    speak("zh")
    seen = read_status(older)
    assert seen is not None
    assert seen.shown == ("m-1 停滞：/health has not answered for 7 s", str(because("edge_closed")))
    assert seen.engines[0].said.shown == "/health has not answered for 7 s"


def test_status_tells_each_reason_of_an_older_controller_once(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "-c", str(older.parents[2] / "forebay.yaml"), "--lang", "en"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("/health has not answered for 7 s") == 1
    assert shown.count("! the edge waits for its first certificate") == 1
    assert shown.count("! the controller does not run") == 1


@pytest.mark.parametrize(
    ("language", "said", "gone"),
    [
        ("en", "/health has not answered for 7 s", "! the controller does not run"),
        ("zh", "/health 已 7 秒没有应答", "! 控制器没有运行"),
    ],
)
def test_people_are_told_each_reason_once_in_their_language(
    path: Path, capsys: pytest.CaptureFixture[str], language: str, said: str, gone: str
) -> None:
    config = path.parents[2] / "forebay.yaml"
    assert run(["status", "-c", str(config), "--lang", language]) == 0
    shown = capsys.readouterr().out
    assert shown.count(said) == 1
    assert gone in shown
    assert run(["status", "-c", str(config), "--lang", language, "-o", "json"]) == 0
    answer = msgspec.json.decode(capsys.readouterr().out)
    assert answer["engines"][0]["reason"] == str(SILENT)
    assert answer["reasons"][0] == str(because("controller_gone"))
    assert answer["causes"][0] == {"code": "controller_gone", "values": {}}
