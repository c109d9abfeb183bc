"""What names a claim, and what a store may not change."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.idempotency.claim import Claim, Said, fingerprint_of, identity_of, seal, unseal
from forebay.gateway.idempotency.local import Table, erase_answers
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.refusal import Refusal

JSON = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5), st.lists, max_leaves=5)
FIELDS = st.dictionaries(st.text(max_size=5), JSON, max_size=5)


def claim(token: bytes = b"t", identity: bytes = b"id") -> Claim:
    return Claim(identity, b"tenant", b"f", token, None)  # type: ignore[arg-type]


@given(FIELDS)
def test_order_and_white_space_make_no_other_request(fields: dict[str, object]) -> None:
    turned = orjson.dumps(dict(reversed(fields.items())), option=orjson.OPT_INDENT_2)
    assert fingerprint_of(b"/p", orjson.dumps(fields)) == fingerprint_of(b"/p", turned)


@given(FIELDS, FIELDS)
def test_another_body_or_path_is_another_request(one: dict[str, object], other: dict[str, object]) -> None:
    bodies = orjson.dumps(one, option=orjson.OPT_SORT_KEYS), orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    assert (bodies[0] == bodies[1]) == (fingerprint_of(b"/p", bodies[0]) == fingerprint_of(b"/p", bodies[1]))
    assert fingerprint_of(b"/p", bodies[0]) != fingerprint_of(b"/q", bodies[0])


@given(st.tuples(st.text(max_size=4), st.binary(max_size=4)), st.tuples(st.text(max_size=4), st.binary(max_size=4)))
def test_tenants_share_no_key(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    assert (one == other) == (identity_of(*one, "p")[0] == identity_of(*other, "p")[0])
    assert identity_of(*one, "p")[0] != identity_of(*one, "another pepper")[0]


def test_a_key_has_a_longest() -> None:
    identity_of("t", b"k" * 255, "p")
    with pytest.raises(Refusal):
        identity_of("t", b"k" * 256, "p")


def test_an_answer_that_was_changed_or_is_anothers_is_none() -> None:
    own = claim()
    own.answer = (b"application/json", b'{"a":1}')
    stored = seal(own, 2e9, "p")
    assert unseal(own, stored, "p") == own.answer
    assert unseal(claim(identity=b"other"), stored, "p") is None
    assert unseal(own, stored, "another pepper") is None
    for at in range(len(stored)):
        assert unseal(own, stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :], "p") is None
        assert unseal(own, stored[:at], "p") is None


def test_a_key_is_forgotten_when_its_time_is_over_and_kept_until_then(tmp_path: Path) -> None:
    table = Table(tmp_path / "claims.db", IdempotencyPolicy(keep_s=100, answer_bytes=10, memory_bytes=10, keys=10))
    table.claim(claim(b"1"), 1000.0)
    table.finish(claim(b"1"), b"", 1050.0)
    table.tidy(1149.0)
    assert table.claim(claim(b"2"), 1149.0).word == "finished"
    assert table.claim(claim(b"2"), 1151.0).word == "new"
    table.close()
    assert (tmp_path / "claims.db").stat().st_mode & 0o077 == 0


def test_an_erasure_that_somebody_who_reads_holds_up_says_so_and_is_whole_when_it_is_asked_for_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "claims.db"
    table = Table(path, IdempotencyPolicy(keep_s=60.0, answer_bytes=100, memory_bytes=100, keys=9))
    table.claim(claim(), 1.0)
    table.finish(claim(), b"what a person was told", 1.0)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM claims").fetchone() == (1,)
        with pytest.raises(sqlite3.OperationalError, match="somebody reads"):
            erase_answers(path, 0.1)
        reader.execute("COMMIT")
    erase_answers(path, 60.0)
    assert not [file for file in tmp_path.iterdir() if b"a person was told" in file.read_bytes()]
    table.close()


def test_an_erasure_writes_to_nothing_but_what_has_or_may_get_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "claims.db"
    table = Table(path, IdempotencyPolicy(keep_s=60.0, answer_bytes=100, memory_bytes=100, keys=9))
    for name, answer in ((b"bare", b""), (b"told", b"an answer"), (b"runs", None)):
        table.claim(claim(identity=name), 1.0)
        if answer is not None:
            table.finish(claim(identity=name), answer, 1.0)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE written (id BLOB)")
        database.execute("CREATE TRIGGER t AFTER UPDATE ON claims BEGIN INSERT INTO written VALUES (OLD.id); END")
        erase_answers(path, 1.0)
        assert {identity for (identity,) in database.execute("SELECT id FROM written")} == {b"told", b"runs"}
    table.finish(claim(identity=b"runs"), b"an answer", 2.0)
    assert [table.claim(claim(identity=name), 2.0) for name in (b"told", b"runs")] == [Said("finished")] * 2
    table.close()
