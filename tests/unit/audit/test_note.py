"""Notes and checkpoints are C2SP's: what others signed verifies here, and what does not hold is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.audit.note import (
    BadNote,
    Checkpoint,
    Signer,
    checkpoint_of,
    read_note,
    read_signatures,
    read_verifier,
    signed,
    with_signatures,
)

# From the documentation of golang.org/x/mod/sumdb/note.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
QUOTED = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
LOG = Signer("forebay/test/1", bytes(32))
WITNESS = Signer("witness.example/w", bytes(31) + b"\x01", witness=True)
CHECKPOINT = Checkpoint("forebay/test/1", 7, bytes(32))


def test_a_note_that_go_signed_verifies():
    assert read_verifier(NEUMANN).signed_by(read_note(QUOTED)) == 0
    assert str(read_verifier(NEUMANN)) == NEUMANN


def test_a_note_of_another_text_does_not_verify():
    with pytest.raises(BadNote):
        read_verifier(NEUMANN).signed_by(read_note(QUOTED.replace("cryptography", "forebay")))


def test_a_note_that_nobody_known_signed_is_signed_by_nobody():
    assert LOG.verifier.signed_by(read_note(QUOTED)) is None


def test_a_checkpoint_is_read_as_it_was_written_with_every_signature():
    note = with_signatures(
        signed(CHECKPOINT, LOG.sign(CHECKPOINT.text)), [WITNESS.sign(CHECKPOINT.text, 1_700_000_000)]
    )
    again = read_note(str(note))
    assert checkpoint_of(again) == CHECKPOINT
    assert LOG.verifier.signed_by(again) == 0
    assert WITNESS.verifier.signed_by(again) == 1_700_000_000
    assert read_signatures("".join(each.line for each in again.signatures)) == again.signatures


def test_a_log_cannot_sign_for_a_witness_of_its_own_key():
    posing = Signer("witness.example/w", bytes(32))
    assert posing.verifier.key_id != Signer("witness.example/w", bytes(32), witness=True).verifier.key_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log\n1\n",
        "log\n1\nAAAA\n\n",
        "log\n1\nAAAA\n\n— x\n",
        "log\n1\nAAAA\n\n- x AAAAAAAA\n",
        "log\x1b[2J\n1\nAAAA\n\n— x AAAAAAAA\n",
        "a" * 70_000 + "\n\n— x AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(text):
    with pytest.raises(BadNote):
        read_note(text)


@pytest.mark.parametrize("text", ["log\n", "log\n-1\nA=\n", "log\n01\nA=\n", "log\n1\nAAAA\n", "\n1\nAAAA\n"])
def test_what_is_no_checkpoint_is_refused(text):
    note = read_note(f"{text}\n— x AAAAAAAA\n")
    with pytest.raises(BadNote):
        checkpoint_of(note)


@given(st.text(max_size=200))
def test_any_text_is_a_note_or_is_refused(text):
    for read in (read_note, read_verifier, read_signatures):
        try:
            read(text)
        except BadNote:
            continue
