"""check, config, init, render and doctor as an operator types them: exit codes, answers, JSON shapes."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from forebay.cli.main import run
from forebay.cli.starter import Wishes, starter
from forebay.config.load import load
from forebay.config.schema.root import Environment, Hardware, Scenario
from forebay.core.errors import ConfigError, UsageError
from forebay.lint.run import lint

GOOD = "version: 1\nmodels:\n  m:\n    engines: [{kind: embedded}]\n"
FINDING = {"rule", "severity", "where", "why", "fix"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, English, and no state but its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.delenv("FOREBAY_STATE", raising=False)
    return tmp_path


def written(text: str = GOOD) -> None:
    Path("forebay.yaml").write_text(text, encoding="utf-8")


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run([*arguments, "-o", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_good_file_passes(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    assert run(["check"]) == 0
    assert capsys.readouterr().out == "forebay.yaml: 0 errors, 0 warnings, 0 notes\n"
    assert answer(capsys, "check") == (0, [])


@pytest.mark.parametrize(
    ("language", "total"),
    [("en", "forebay.yaml: 1 error, 0 warnings, 0 notes"), ("zh", "forebay.yaml：1 个错误，0 个警告，0 条提示")],
)
def test_findings_are_counted_as_people_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str, total: str
) -> None:
    monkeypatch.setenv("LANGUAGE", language)
    written(GOOD + "gatway: {}\n")
    assert run(["check"]) == 1
    assert total in capsys.readouterr().out


def test_a_file_that_cannot_be_read_says_what_was_not_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    written(GOOD + "gatway: {}\n")
    assert run(["check"]) == 1
    assert "as a whole is checked once these are mended" in capsys.readouterr().err


def test_of_a_file_that_is_not_there_nothing_is_left_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check"]) == 1
    told = capsys.readouterr()
    assert "there is no such file" in told.out
    assert told.err == ""


def test_a_bad_file_fails_with_its_findings_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    written(GOOD + "gatway: {}\n")
    code, told = answer(capsys, "check")
    assert code == 1
    assert [set(finding) for finding in told] == [FINDING]


def test_a_warning_does_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    written(GOOD + "observe: {metrics: {bind: 0.0.0.0}}\n")
    assert run(["check"]) == 0
    assert "warning: forebay.yaml:5: observe.metrics.bind" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["chek"], 64, "Did you mean check?"),
        (["check", "--nope"], 64, "No such option"),
        (["check", "-o", "xml"], 64, "is not one of"),
        (["check", "extra"], 64, "unexpected extra argument"),
        (["config"], 64, ""),
        (["config", "explain", "gateway.prot"], 64, "Did you mean gateway.port?"),
        (["check", "-c", "nowhere.yaml"], 1, "there is no such file"),
        (["check", "-e", "prod"], 64, "none of development, staging, production"),
        (["config", "show", "-c", "nowhere.yaml"], 1, "forebay init"),
        (["--help"], 0, "doctor"),
        ([], 0, "doctor"),
        (["--version"], 0, "forebay 0."),
    ],
)
def test_an_exit_code_says_what_kind_of_end_it_was(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    written()
    assert run(arguments) == code
    shown = capsys.readouterr()
    assert said in shown.out + shown.err


def test_an_error_is_json_on_stdout_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, told = answer(capsys, "config", "show", "-c", "nowhere.yaml")
    assert code == 1
    assert told["error"]["code"] == "config_invalid"
    assert set(told["error"]) == {"code", "what", "where", "fix", "findings"}
    assert answer(capsys, "chek")[1]["error"]["what"] == "there is no command chek"


def test_show_prints_every_key_in_the_units_of_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    code, told = answer(capsys, "config", "show")
    assert code == 0
    assert told["gateway"]["timeouts"]["first_byte"] == "5m"
    assert told["gateway"]["limits"]["body"] == "16MiB"
    assert told["models"]["m"]["engines"][0]["kind"] == "embedded"


def test_what_show_prints_is_a_configuration_again(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    first = answer(capsys, "config", "show")[1]
    assert run(["config", "show"]) == 0
    Path("forebay.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert answer(capsys, "config", "show")[1] == first


def test_secrets_are_shown_as_references_only(capsys: pytest.CaptureFixture[str]) -> None:
    written(
        "version: 1\nmodels:\n  m:\n    engines:\n"
        "      - {kind: external, url: 'http://h:1', api_key: env:UPSTREAM_KEY}\n"
        "      - {kind: embedded, env: {HF_TOKEN: hf_sesame, NCCL_DEBUG: INFO}}\n"
    )
    for command in (["config", "show"], ["config", "explain"], ["config", "show", "-o", "json"]):
        assert run(command) == 0
        shown = capsys.readouterr().out
        assert "env:UPSTREAM_KEY" in shown
        assert "INFO" in shown
        assert "sesame" not in shown


def test_explain_names_the_layer_and_line_and_what_was_overridden(capsys: pytest.CaptureFixture[str]) -> None:
    written("environment: production\n" + GOOD + "edge: {https_port: 9443}\n")
    told = answer(capsys, "config", "explain", "edge.https_port")[1]
    assert (told["value"], told["layer"], told["where"]) == (9443, "file", "forebay.yaml:6")
    assert [(below["value"], below["layer"]) for below in told["overrides"]] == [(443, "environment")]
    run(["config", "explain", "edge.https_port"])
    assert "instead of 443, from the environment (profiles/environments/production.yaml:" in capsys.readouterr().out


def test_explain_lists_everything_below_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    keys = [told["key"] for told in answer(capsys, "config", "explain", "gateway.retry")[1]]
    assert keys == ["gateway.retry.attempts", "gateway.retry.budget_ratio"]


def test_diff_shows_what_two_environments_do_not_share(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    told = answer(capsys, "config", "diff", "development", "production")[1]
    assert {"key": "edge.https_port", "development": 8443, "production": 443} in told


def test_a_list_in_a_table_is_spelled_as_in_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    assert run(["config", "diff", "development", "production"]) == 0
    assert '["last_used","name","networks","tenant"]' in capsys.readouterr().out


def test_init_writes_what_check_accepts_and_does_not_overwrite(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init"]) == 0
    assert run(["check"]) == 0
    text = Path("forebay.yaml").read_text(encoding="utf-8")
    assert run(["init", "-e", "staging"]) == 64
    assert "forebay.yaml exists" in capsys.readouterr().err
    assert Path("forebay.yaml").read_text(encoding="utf-8") == text
    assert run(["init", "-e", "staging", "--yes"]) == 0
    assert Path("forebay.yaml").read_text(encoding="utf-8") != text


def test_init_with_dry_run_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "version: 1" in shown
    assert run(["init", "--dry-run", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == shown
    assert not Path("forebay.yaml").exists()


@pytest.mark.parametrize("environment", get_args(Environment))
@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-7B-Instruct", "/srv/models/tiny.gguf", None])
def test_what_init_writes_passes_check_in_every_combination(here: Path, environment: str, model: str | None) -> None:
    for hardware, scenario in product((None, *get_args(Hardware)), (None, *get_args(Scenario))):
        wishes = Wishes(environment=environment, hardware=hardware, scenario=scenario, model=model)
        if hardware not in (None, "cpu") and not wishes.vllm:
            with pytest.raises(UsageError):
                starter(wishes)
            continue
        path = here / "forebay.yaml"
        path.write_text(starter(wishes), encoding="utf-8")
        assert not [finding for finding in lint(load(path)) if finding.severity == "error"]


@pytest.mark.parametrize(
    ("hardware", "model", "line"),
    [
        ("b200", "Qwen/Qwen3-VL-235B-A22B-Instruct", "tensor-parallel-size: 4"),
        ("h100", "Qwen/Qwen3-VL-235B-A22B-Instruct-FP8", "tensor-parallel-size: 4"),
        ("v100", "Qwen/Qwen2.5-7B-Instruct", "release: 0.19.1"),
    ],
)
def test_init_lays_the_model_out_so_that_it_fits(hardware: str, model: str, line: str) -> None:
    text = starter(Wishes(environment="production", hardware=hardware, scenario="chat", model=model))
    assert line in text


@pytest.mark.parametrize("hardware", ["t4", "v100"])
def test_init_refuses_what_no_layout_can_serve(hardware: str) -> None:
    wishes = Wishes(environment="production", hardware=hardware, model="Qwen/Qwen3-VL-235B-A22B-Instruct")
    with pytest.raises(ConfigError) as caught:
        starter(wishes)
    assert any("Nothing of this model fits" in finding.fix for finding in caught.value.findings)


def test_render_writes_the_edges_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    assert answer(capsys, "render", "nginx", "--out", "edge") == (0, ["edge/nginx.conf"])
    assert "ssl_protocols" in Path("edge/nginx.conf").read_text(encoding="utf-8")


def test_render_refuses_what_check_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    written("environment: production\n" + GOOD)
    assert run(["render", "nginx", "--out", "edge"]) == 1
    assert "needs a certificate" in capsys.readouterr().err
    assert not Path("edge").exists()
