"""Files of the operator's own below `configs/<environment>` are values like others, and none of them is ignored."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.config.load import Loaded, load
from forebay.core.errors import ConfigError, Finding

from .conftest import Write

FILE = """\
version: 1
models:
  org/m:
    engines:
      - {kind: vllm, weights: org/m, release: 0.33.0, args: {max_num_seqs: 8, seed: 1}}
      - {kind: external, url: "http://127.0.0.1:1"}
"""


def with_files(write: Write, files: dict[str, str], text: str = FILE) -> Path:
    path = write(text)
    for name, content in files.items():
        place = path.parent / "configs" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    return path


def read(write: Write, files: dict[str, str], environment: str = "production") -> Loaded:
    return load(with_files(write, files), environment)


def refused(write: Write, name: str, content: str, text: str = FILE) -> Finding:
    with pytest.raises(ConfigError) as caught:
        load(with_files(write, {f"production/{name}": content}, text), "production")
    (finding,) = caught.value.findings
    return finding


def args(loaded: Loaded) -> dict[str, object]:
    engine = loaded.config.models["org/m"].engines[0]
    assert engine.kind == "vllm"
    return {key: engine.args.get(key) for key in ("max-num-seqs", "seed")} | {"env": engine.env}


def test_an_engine_file_is_laid_over_the_engines_of_its_kind_in_its_environment_alone(write: Write) -> None:
    files = {"production/engine/org/m.yaml": "vllm:\n  args: {max-num-seqs: 96}\n  env: {NCCL_DEBUG: WARN}\n"}
    assert args(read(write, files)) == {"max-num-seqs": 96, "seed": 1, "env": {"NCCL_DEBUG": "WARN"}}
    assert args(load(with_files(write, files), "staging")) == {"max-num-seqs": 8, "seed": 1, "env": {}}


def test_a_value_of_a_file_says_where_it_comes_from_and_what_it_hides(write: Write) -> None:
    loaded = read(write, {"production/engine/org/m.yaml": "vllm:\n  args: {max-num-seqs: 96}\n"})
    found = loaded.origin(("models", "org/m", "engines", 0, "args", "max-num-seqs"))
    assert (found.file, found.line) == ("configs/production/engine/org/m.yaml", 2)
    assert [below.value for below in found.overrides][:1] == [8]


def test_a_mistake_in_a_file_is_told_with_its_line_there(write: Write) -> None:
    finding = refused(write, "engine/org/m.yaml", "vllm:\n  args:\n    max-num-seqs: 8\n  stall: fast\n")
    assert finding.where.startswith("configs/production/engine/org/m.yaml:4")


def test_a_file_of_the_edge_or_of_monitoring_is_the_value_of_a_key(write: Write) -> None:
    files = {
        "production/edge/nginx-http.conf": "map $a $b { default 1; }\n",
        "production/edge/haproxy-frontend.cfg": "http-request set-header X-A b\n",
        "production/monitoring/rules/mine.yml": "groups: []\n",
        "production/monitoring/scrapes/node.yml": "scrape_configs: [{job_name: node}]\n",
        "production/monitoring/alertmanager.yml": "receivers: [{name: night}]\n",
        "production/monitoring/dashboards/mine.json": "{}",
    }
    config = read(write, files).config
    assert config.edge.include.nginx_http == files["production/edge/nginx-http.conf"]
    assert config.edge.include.haproxy_frontend == files["production/edge/haproxy-frontend.cfg"]
    own = config.observe.monitoring
    assert (own.rules, own.scrapes, own.dashboards) == (
        {"mine": "groups: []\n"},
        {"node": "scrape_configs: [{job_name: node}]\n"},
        {"mine": "{}"},
    )
    assert own.alertmanager == "receivers: [{name: night}]\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("edge/ngnx-server.conf", "", "forebay knows no file of this name"),
        ("edge/nginx-server.cfg", "", "forebay knows no file of this name"),
        ("monitoring/rules/mine.txt", "", "forebay knows no file of this name"),
        ("monitoring/rules/deeper/mine.yml", "", "forebay knows no file of this name"),
        ("engine/other.yaml", "vllm: {}", "there is no model other"),
        ("engine/org/m.yaml", "vlm: {}", "org/m has no engine of the kind vlm"),
        ("engine/org/m.yaml", "embedded: {}", "org/m has no engine of the kind embedded"),
        ("engine/org/m.yaml", "- 1", "the file holds no mapping of keys"),
        ("engine/org/m.yaml", "a: [", "the YAML cannot be read here"),
        ("edge/nginx-http.conf", "server {\n", "its braces do not match"),
        ("edge/nginx-http.conf", "} server {\n", "its braces do not match"),
        ("edge/nginx-http.conf", "a b;\ninclude /etc/x;\n", "it includes a file"),
        ("edge/nginx-http.conf", "a\x1b[0m b;\n", "control characters"),
        ("edge/haproxy-global.cfg", "  listen stats\n", "`listen` begins a section of its own"),
        ("monitoring/rules/Mine.yml", "groups: []", "Mine"),
        ("monitoring/rules/mine.yml", "groups: {}", "it must be a mapping of groups"),
        ("monitoring/rules/mine.yml", "a: [", "this is not YAML"),
        ("monitoring/rules/mine.yml", "", "it must be a mapping of groups"),
        ("monitoring/scrapes/a.yml", "scrape_configs: [{job_name: forebay}]", "there is a job forebay already"),
        ("monitoring/scrapes/a.yml", "scrape_configs: [{}]", "there is a job '' already"),
        ("monitoring/alertmanager.yml", "route: []", "it must be a mapping of routes"),
        ("monitoring/dashboards/a.json", "{", "this is not JSON"),
        ("monitoring/dashboards/forebay.json", "{}", "it must be a dashboard"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_never_ignored(
    write: Write, name: str, content: str, says: str
) -> None:
    finding = refused(write, name, content)
    assert says in f"{finding.where} {finding.why}"
    assert f"configs/production/{name}" in finding.where or "Mine" in finding.where


def test_braces_in_strings_variables_and_comments_are_no_blocks(write: Write) -> None:
    text = 'map $a $b { default "}"; "~^[0-9]{2}$" "{"; } # }\nlog_format x escape=json \'{"a": "${b}"}\';\n'
    assert read(write, {"production/edge/nginx-http.conf": text}).config.edge.include.nginx_http == text


def test_a_link_a_large_file_and_one_that_is_no_text_are_refused(write: Write, tmp_path: Path) -> None:
    path = with_files(write, {"production/edge/nginx-http.conf": "#" * 1048577})
    folder = path.parent / "configs/production/edge"
    (folder / "nginx-server.conf").symlink_to(tmp_path / "elsewhere")
    (folder / "haproxy-global.cfg").write_bytes(b"\xff")
    with pytest.raises(ConfigError) as caught:
        load(path, "production")
    assert sorted(finding.why for finding in caught.value.findings) == [
        *["a template must be a file of its own, of at most 1 MiB"] * 2,
        "it is not UTF-8 text",
    ]
    assert {finding.rule for finding in caught.value.findings} == {"template"}


def test_notes_and_hidden_files_are_nobodys(write: Write) -> None:
    assert read(write, {"production/edge/README.md": "hello", "production/edge/.swp": "x"})
