"""`privacy scan`: places in characters of the text as it is, with and without a configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

FILE = """
version: 1
models: {m: {engines: [{kind: embedded}]}}
privacy:
  off: [email]
  patterns: {project: {words: [昆仑计划]}}
"""


def scan(folder: Path, *arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "forebay", "privacy", "scan", *arguments],
        cwd=folder, input=text, capture_output=True, check=False, timeout=100, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def test_what_is_piped_in_is_searched_and_its_places_are_those_of_the_text(tmp_path: Path) -> None:
    text = "😀 我的手机１３８\u200b12345678，邮箱a@b.example"
    ran = scan(tmp_path, "-o", "json", text=text.encode())
    found = json.loads(ran.stdout)
    assert ran.returncode == 0
    assert [(each["type"], text[each["start"] : each["end"]]) for each in found] == [
        ("cn_mobile", "１３８\u200b12345678"),
        ("email", "a@b.example"),
    ]
    assert all(set(each) == {"type", "start", "end", "score"} for each in found)


def test_a_file_is_searched_by_the_configuration_beside_it(tmp_path: Path) -> None:
    (tmp_path / "forebay.yaml").write_text(FILE, "utf-8")
    (tmp_path / "letter.txt").write_text("a@b.example, 昆仑计划", "utf-8")
    ran = scan(tmp_path, "letter.txt", "-o", "json", "--fail")
    assert [each["type"] for each in json.loads(ran.stdout)] == ["project"]
    assert ran.returncode == 1


def test_nothing_found_is_an_empty_list(tmp_path: Path) -> None:
    ran = scan(tmp_path, "-", "-o", "json", "--fail", text=b"nothing here\r\n")
    assert (ran.returncode, json.loads(ran.stdout)) == (0, [])


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    assert scan(tmp_path, text=b"\xff\xfe").returncode == 64
    assert scan(tmp_path, "missing.txt").returncode == 64
    assert scan(tmp_path, "-c", "missing.yaml").returncode != 0
