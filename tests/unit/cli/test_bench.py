"""`forebay bench` refuses what cannot be measured before it sends anything."""

import orjson
import pytest

from forebay.cli.main import run

NOWHERE = ["--url", "http://127.0.0.1:1", "--model", "m"]


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, status=0):
        assert run(["bench", *arguments]) == status
        return capsys.readouterr()

    return call


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--rate", "0"], "asks for nothing"),
        (["--rate", "5,0"], "asks for nothing"),
        (["--rate", "1", "--duration", "0s"], "measures nothing"),
        (["--rate", "1", "--concurrency", "2"], "exclude one another"),
        (["--rate", "many"], "no number"),
        (["--ramp", "5"], "--ramp: '5' is no pair of numbers\n  Write both with a colon"),
        (["--ramp", "5:many"], "no number"),
        (["--input-tokens", "long"], "no length"),
        (["--slo", "speed=1s"], "no bound"),
        (["--images", "big"], "no images"),
        (["--duration", "1 fortnight"], "fortnight"),
    ],
)
def test_a_load_that_cannot_be_is_refused(bench, arguments, why):
    assert why in bench("run", *NOWHERE, *arguments, status=64).err


def test_without_a_service_it_says_what_to_do(bench):
    assert "forebay up" in bench("run", status=64).err
    assert "--model" in bench("run", "--url", "http://127.0.0.1:1", status=64).err


def test_nobody_there(bench):
    assert "nothing answers there" in bench("run", *NOWHERE, status=1).err


def test_a_load_is_shown_and_read_back(bench, tmp_path):
    shown = bench("run", "--dry-run", "-o", "json", "--rate", "3", "--turns", "2").out
    (tmp_path / "load.json").write_text(shown)
    assert orjson.loads(bench("run", "--dry-run", "-o", "json", "--workload", "load.json").out) == orjson.loads(shown)
    (tmp_path / "load.json").write_text('{"ducks": 1}')
    assert "ducks" in bench("run", "--dry-run", "--workload", "load.json", status=64).err


def test_a_trace_that_is_broken_is_refused_by_its_line(bench, tmp_path):
    (tmp_path / "trace.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,,44\n")
    told = bench("run", *NOWHERE, "--trace", "trace.csv", status=1).err
    assert "trace.csv:2" in told
    assert "no number of tokens" in told


@pytest.mark.parametrize("command", ["compare", "import", "report"])
def test_what_is_no_result_is_refused(bench, tmp_path, command):
    (tmp_path / "x.json").write_text("{}")
    files = ["x.json", "x.json"] if command == "compare" else ["x.json"]
    page = ["--html", "out.html"] if command == "report" else []
    assert "no result" in bench(command, *files, *page, status=1).err
    assert not (tmp_path / "out.html").exists()
