"""Packs of controls: those that ship, and an operator's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.core.errors import UsageError
from forebay.ops.compliance.control import load_pack, shipped_packs
from forebay.ops.compliance.run import load_probes

PACK = """
name: house
title: {en: House rules, zh: 内部规定}
edition: "3"
controls:
  - {id: h-1, clause: "1", title: {en: TLS, zh: 传输加密}, probes: [tls_modern]}
"""


@pytest.mark.parametrize("name", shipped_packs())
def test_a_shipped_pack_asks_for_probes_that_exist_and_names_each_control_once(name: str) -> None:
    pack = load_pack(name, load_probes())
    assert pack.name == name
    ids = [control.id for control in pack.controls]
    assert len(set(ids)) == len(ids) > 10


def test_every_probe_serves_a_control() -> None:
    asked = {probe for name in shipped_packs() for c in load_pack(name, load_probes()).controls for probe in c.probes}
    assert asked == set(load_probes())


def test_an_operators_own_pack_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "house.yaml"
    file.write_text(PACK, "utf-8")
    assert load_pack(str(file), load_probes()).controls[0].probes == ("tls_modern",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: [", "no pack"),
        ("- 1", "no pack"),
        (PACK.replace("edition", "editon"), "editon"),
        (PACK.replace("zh: 传输加密", "de: TLS"), "no pack"),
        (PACK.replace("tls_modern", "tls_modem"), "tls_modem"),
        (None, "no such pack"),
    ],
)
def test_a_file_that_is_no_pack_is_refused_with_the_reason(tmp_path: Path, text: str | None, why: str) -> None:
    file = tmp_path / "house.yaml"
    if text is not None:
        file.write_text(text, "utf-8")
    with pytest.raises(UsageError) as refused:
        load_pack(str(file), load_probes())
    assert why in str(refused.value)
    assert refused.value.where == str(file)
