"""A witness signs what grows and never two histories, whatever it is asked, also after it was started again."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.audit.test_tree import subtree_of

from forebay.audit.note import Checkpoint, Signer, read_note, read_signatures, signed, with_signatures
from forebay.audit.tree import EMPTY, consistency_path, range_hash
from forebay.audit.witness import SIZE_TYPE, Witness, request

LOG = Signer("forebay/test/1", bytes(32))
OWN = Signer("witness/1", bytes(31) + b"\x01", witness=True)
LEAVES = [b"%d" % number for number in range(40)]
OTHERS = [*LEAVES[:20], *(b"other %d" % number for number in range(20))]


def note_of(leaves, size):
    root = range_hash(0, size, subtree_of(leaves[:size])) if size else EMPTY
    checkpoint = Checkpoint(LOG.verifier.name, size, root)
    return signed(checkpoint, LOG.sign(checkpoint.text))


def asks(old, size, leaves=LEAVES):
    return request(old, consistency_path(old, size, subtree_of(leaves)), note_of(leaves, size))


@pytest.fixture
def witness(tmp_path):
    return Witness(tmp_path, OWN, [LOG.verifier], lambda: 1_700_000_000.0)


def test_it_signs_a_log_that_grows(witness):
    for old, size in ((0, 7), (7, 7), (7, 30), (30, 40)):
        reply = witness.add_checkpoint(asks(old, size))
        assert reply.status == 200
        note = with_signatures(note_of(LEAVES, size), read_signatures(reply.body))
        assert OWN.verifier.signed_by(read_note(str(note))) == 1_700_000_000


def test_it_never_signs_another_history(witness):
    assert witness.add_checkpoint(asks(0, 30)).status == 200
    assert (
        witness.add_checkpoint(request(30, consistency_path(30, 40, subtree_of(OTHERS)), note_of(OTHERS, 40))).status
        == 422
    )
    reply = witness.add_checkpoint(asks(30, 30, OTHERS))
    assert (reply.status, reply.body, reply.content_type) == (409, "30\n", SIZE_TYPE)


def test_it_never_signs_less_than_it_has_signed(witness):
    assert witness.add_checkpoint(asks(0, 30)).status == 200
    for old in (0, 10, 20):
        reply = witness.add_checkpoint(asks(old, 20))
        assert (reply.status, reply.body) == (409, "30\n")


def test_it_remembers_over_a_restart(witness, tmp_path):
    assert witness.add_checkpoint(asks(0, 30)).status == 200
    again = Witness(tmp_path, OWN, [LOG.verifier], lambda: 0.0)
    assert again.add_checkpoint(asks(0, 40)).status == 409
    assert again.add_checkpoint(asks(30, 40)).status == 200


def test_it_does_not_sign_for_strangers(witness):
    stranger = Signer("forebay/test/2", bytes(32))
    unknown = Checkpoint("forebay/test/2", 0, EMPTY)
    assert witness.add_checkpoint(request(0, [], signed(unknown, stranger.sign(unknown.text)))).status == 404
    posing = Signer(LOG.verifier.name, bytes(31) + b"\x02")
    known = Checkpoint(LOG.verifier.name, 0, EMPTY)
    assert witness.add_checkpoint(request(0, [], signed(known, posing.sign(known.text)))).status == 403
    broken = str(note_of(LEAVES, 3)).replace("\n3\n", "\n4\n").encode()
    assert witness.add_checkpoint(b"old 0\n\n" + broken).status == 403


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_what_is_no_request_is_refused(body):
    assert Witness(Path(gettempdir()), OWN, [], lambda: 0.0).add_checkpoint(body).status in (400, 404)
