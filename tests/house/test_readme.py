"""The README is short, its links lead somewhere, and the Chinese one is in step."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text("utf-8")


def links(text: str) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)#]+)\)", text) if not target.startswith("README")]


def code(text: str) -> list[str]:
    """What stands in fences, without comments, which are translated."""
    return [re.sub(r"#.*", "", block) for block in re.findall(r"```(?:console|yaml)\n(.*?)```", text, re.DOTALL)]


def test_it_is_under_150_lines():
    assert len(ENGLISH.splitlines()) < 150


@pytest.mark.parametrize("target", links(ENGLISH))
def test_its_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def test_the_chinese_one_says_the_same():
    assert links(CHINESE) == links(ENGLISH)
    assert [re.sub(r"\s+", " ", each) for each in code(CHINESE)] == [
        re.sub(r"\s+", " ", each) for each in code(ENGLISH)
    ]
    row = r"^\| forebay.*?\| (.*)$"
    assert re.findall(row, CHINESE, re.MULTILINE) == re.findall(row, ENGLISH, re.MULTILINE)
    assert len(re.findall(r"^#+ ", CHINESE, re.MULTILINE)) == len(re.findall(r"^#+ ", ENGLISH, re.MULTILINE))
