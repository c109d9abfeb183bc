"""Passwords and keys of no known form: what stands behind a word for one, and does not look like a word itself."""

from __future__ import annotations

import math
import re
from collections import Counter

from forebay.privacy.recogniser import BEFORE_CHARACTERS, LIKELY, NO, POSSIBLE, Found, Recogniser, recognisers

_WORD = (
    r"(?i:passw(?:or)?d|passwd|passphrase|pwd|secret|credential|api[_-]?key|access[_-]?key|secret[_-]?key|auth[_-]?token"
    r"|access[_-]?token|account[_-]?key|shared[_-]?access[_-]?key|private[_-]?key|client[_-]?secret|token)"
)
_PLACEHOLDER = re.compile(
    r"(?i)[<$%{*x.\-_]|your|example|change|none|null|true|false|test|todo|redacted|string|required"
)
# A name in a program, and a call: `password=settings.password`.
_CODE = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)+[()]*\Z|[A-Za-z_][A-Za-z0-9_.]*\(")
_PASSWORDS = re.compile(r"(?:passw(?:or)?d|passwd|passphrase|pwd|口令|密码)[^a-z0-9]*\Z")


def _judge(found: Found) -> float:
    text = found.text
    if _PLACEHOLDER.match(text) or _CODE.match(text):
        return NO
    kinds = sum(bool(re.search(kind, text)) for kind in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]"))
    if _PASSWORDS.search(found.before):
        return LIKELY if kinds >= 2 and len(text) >= 6 else NO
    if len(text) >= 16 and kinds >= 2 and _bits(text) >= 3.0:
        return POSSIBLE
    return NO


def _bits(text: str) -> float:
    """Shannon's entropy of a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)


recognisers.add("secret")(
    Recogniser(
        pattern=_WORD + r"[\"'?]{0,2}[ \t]{0,2}(?:[:=]|=>|:=|is)[ \t]{0,2}[\"'?]{0,2}([!-&(-+\--~]{6,128})",
        gate=_WORD + r"[\"'?]{0,2}[ \t]{0,2}(?:[:=]|is)",
        judge=_judge,
        back=BEFORE_CHARACTERS,
    )
)
