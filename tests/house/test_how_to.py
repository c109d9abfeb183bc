"""The configuration that the how-tos show is one that forebay takes."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from forebay.config.schema import Config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*/*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL), 1)
]
ENGINE = {"kind": "embedded"}


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_valid_where_it_is_completed(block):
    content: dict[str, Any] = YAML(typ="safe").load(block)
    content.setdefault("version", 1)
    models = content.setdefault("models", {"m": {}})
    for model in models.values():
        model.setdefault("engines", [ENGINE])
    Config.model_validate(content)
