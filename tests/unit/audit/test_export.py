"""Exports hold what the log holds, and nothing in them ends a line, speaks to a terminal or is a formula."""

from __future__ import annotations

import csv
import io
import json

import pytest
from pyarrow import parquet
from tests.unit.audit.logs import entry
from tests.unit.audit.test_subjects import exported

from forebay.audit.export import COLUMNS, write_csv, write_lines, write_parquet
from forebay.audit.recorder import open_recorder

EVIL = [
    "=cmd|'/c calc'!A1",
    "+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "a\r\nb",
    "\x1b[2Jgone",
    "\u2028line",
    "\u202eevil",
    "%n",
    "${jndi:ldap://x}",
    "<script>",
]


@pytest.fixture
def found(tmp_path):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([entry(number, subject=text, request_id=text) for number, text in enumerate(EVIL)])
    recorder.close()
    return exported(tmp_path)


def test_each_record_is_one_line_of_plain_ascii_and_says_what_it_said(found):
    out = io.BytesIO()
    assert write_lines(found, out) == len(EVIL)
    lines = out.getvalue().split(b"\n")[:-1]
    assert all(0x20 <= byte < 0x7F for line in lines for byte in line)
    assert [json.loads(line)["subject"] for line in lines] == EVIL


def test_no_cell_of_a_spreadsheet_is_a_formula(found):
    out = io.BytesIO()
    write_csv(found, out)
    table = list(csv.DictReader(io.StringIO(out.getvalue().decode(), newline="")))
    assert len(table) == len(EVIL)
    for row in table:
        for cell in row.values():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cell.isprintable()


def test_parquet_holds_the_same(found, tmp_path):
    assert write_parquet(found, tmp_path / "records.parquet") == len(EVIL)
    table = parquet.read_table(tmp_path / "records.parquet")
    assert table.column_names == list(COLUMNS)
    assert table["subject"].to_pylist() == EVIL
    assert table["position"].to_pylist() == list(range(len(EVIL)))


def test_records_are_chosen_by_time_kind_and_tenant(found, tmp_path):
    assert len(exported(tmp_path, since_us=1_700_000_000_000_003)) == len(EVIL) - 3
    assert len(exported(tmp_path, until_us=1_700_000_000_000_003)) == 3
    assert not exported(tmp_path, kinds=frozenset({"outcome"}))
    assert not exported(tmp_path, tenant="t2")
