"""YAML 1.2 with lines; what is ambiguous or could explode is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.config.document import DEPTH_LIMIT, SIZE_LIMIT_BYTES, read, scalar
from forebay.config.provenance import Node, find, leaves, plain


def rules(text: str) -> list[tuple[str, str]]:
    return [(finding.where, finding.rule) for finding in read(text, "f", "file")[1]]


def test_every_value_knows_the_line_and_column_of_its_key() -> None:
    root, findings = read("a: 1\nb:\n  - c: x\n    d: [2, 3]\n", "f", "file")
    assert root is not None
    assert not findings
    places = {path: (node.place.line, node.place.column) for path, node in leaves(root)}
    assert places == {("a",): (1, 1), ("b", 0, "c"): (3, 5), ("b", 0, "d", 0): (4, 9), ("b", 0, "d", 1): (4, 12)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0o17", 15),
        ("0xff", 255),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("yes", "yes"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
    ],
)
def test_a_scalar_is_read_as_yaml_1_2_reads_it(text: str, value: object) -> None:
    assert scalar(text, plain=True) == value
    assert scalar(text, plain=False) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\na: 2\n", [("f:2:1", "yaml_duplicate")]),
        ("a: &x 1\nb: *x\n", [("f:1:4", "yaml_anchor"), ("f:2:4", "yaml_anchor")]),
        ("a: !!python/object:os.system x\n", [("f:1:4", "yaml_tag")]),
        ("a: !env HOME\n", [("f:1:4", "yaml_tag")]),
        ("a: 1\n---\nb: 2\n", [("f:2:1", "yaml_documents")]),
        ("? [a]\n: 1\n", [("f:1:3", "yaml_key")]),
        ("a: [1\nb: 2\n", [("f:2:2", "yaml_syntax")]),
        ("\ta: 1\n", [("f:1:1", "yaml_syntax")]),
        ("a: \x00\n", [("f:1:1", "yaml_syntax")]),
        (f"a: {'9' * 5000}\n", [("f:1:4", "yaml_number")]),
        ("a: " + "[" * 100 + "]" * 100, [("f:1:27", "yaml_depth")]),
        ("#" * (SIZE_LIMIT_BYTES + 1), [("f", "yaml_size")]),
    ],
)
def test_what_is_ambiguous_or_could_explode_is_refused(text: str, found: list[tuple[str, str]]) -> None:
    assert rules(text) == found


def test_all_mistakes_of_a_document_are_told_at_once() -> None:
    assert [rule for _where, rule in rules("a: 1\na: 2\nb: &x 1\nc: !t 1\n")] == [
        "yaml_duplicate",
        "yaml_anchor",
        "yaml_tag",
    ]


def test_aliases_of_aliases_do_not_grow() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{k}: &{k} [*{p}, *{p}]\n" for p, k in zip("abcdefgh", "bcdefghi", strict=True))
    root, findings = read(bomb, "f", "file")
    assert root is not None
    assert findings
    assert sum(1 for _leaf in leaves(root)) < 100


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    root, findings = read(text, "f", "file")
    assert root is None or isinstance(root, Node)
    assert all(finding.severity == "error" for finding in findings)


@given(
    st.recursive(
        st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
        ),
        max_leaves=20,
    )
)
def test_what_is_written_is_what_is_read(value: object) -> None:
    import json  # noqa: PLC0415  JSON is YAML

    root, findings = read(json.dumps(value), "f", "file")
    assert root is not None
    assert not findings or DEPTH_LIMIT < 20
    assert plain(root) == value
    assert all(find(root, path) == node for path, node in leaves(root))
