"""Every class of malformed configuration, with the exact findings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from forebay.config.load import load
from forebay.core.errors import ConfigError, Finding, UsageError

from .conftest import Write

HEAD = "version: 1\n"
MODEL = "models:\n  m:\n    engines: [{kind: embedded}]\n"


def refused(write: Write, text: str, environment: str | None = None) -> tuple[Finding, ...]:
    with pytest.raises(ConfigError) as caught:
        load(write(text), environment)
    return caught.value.findings


def cases() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = YAML(typ="safe", pure=True).load(Path(__file__).with_name("refusals.yaml"))
    return table


@pytest.mark.parametrize("case", cases().values(), ids=cases())
def test_a_mistake_is_told_with_its_line_its_reason_and_its_fix(write: Write, case: dict[str, str]) -> None:
    (finding,) = refused(write, case["file"])
    assert (finding.where, finding.rule, finding.why) == (case["where"], case["rule"], case["why"])
    assert finding.fix == case.get("fix", finding.fix)
    assert finding.severity == "error"


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines(write: Write) -> None:
    text = "version: 1\nservce: x\nmodels:\n  m:\n    engines: [{kind: vlm}]\ngateway: {port: 0, workers: x}\n"
    found = refused(write, text)
    assert [finding.where.partition(": ")[0] for finding in found] == [f"forebay.yaml:{n}" for n in (2, 5, 6, 6)]


def test_a_warning_is_told_and_refuses_no_file(write: Write) -> None:
    issuer = "{issuer: https://id.example.com, audience: forebay, algorithm: RS256, tenant: t}"
    path = write(f"{HEAD}{MODEL}security: {{issuers: {{id: {issuer}}}}}\n")
    (warning,) = [note for note in load(path).notes if note.severity == "warning"]
    assert "no token of this issuer may do anything" in warning.why


def test_machines_that_share_keys_are_told_that_they_do_not_share_consents(write: Write) -> None:
    purposes = "processing: {calls: ads, purposes: {ads: {why: to sell, basis: consent}}}\naudit: {enabled: true}\n"
    assert load(write(f"{HEAD}{MODEL}{purposes}")).notes == ()
    shared = "store: {postgres: {host: db.example.com, pepper: 'file:pepper'}}\n"
    (warning,) = load(write(f"{HEAD}{MODEL}{purposes}{shared}")).notes
    assert (warning.rule, warning.severity) == ("purpose", "warning")


def test_no_finding_speaks_the_validators_language(write: Write) -> None:
    jargon = re.compile(
        r"pydantic|Input should|valid (string|integer)|discriminator|extra_forbidden|literal_error|BaseModel"
    )
    for case in cases().values():
        for finding in refused(write, case["file"]):
            assert not jargon.search(f"{finding.why} {finding.fix}")


def test_a_secret_written_into_the_file_is_not_repeated(write: Write) -> None:
    text = HEAD + MODEL + "edge: {certificate: {chain: c.pem, key: hunter2-is-my-key}}\n"
    assert "hunter2" not in "".join(map(str, refused(write, text)))


def test_a_file_that_is_missing_says_how_to_write_one(write: Write) -> None:
    with pytest.raises(ConfigError, match="there is no such file") as caught:
        load(write("").with_name("other.yaml"))
    assert "forebay init" in caught.value.fix


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just text\n"])
def test_a_file_without_keys_is_refused(write: Write, text: str) -> None:
    (finding,) = refused(write, text)
    assert finding.rule == "config_empty"


def test_a_file_that_is_no_text_is_refused(write: Write) -> None:
    path = write("")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path)


def test_an_environment_that_does_not_exist_names_the_nearest(write: Write) -> None:
    with pytest.raises(UsageError, match="none of development, staging, production") as found:
        refused(write, HEAD + MODEL, "productoin")
    assert found.value.fix == "Did you mean production?"
