"""Which characters mean the same to a recogniser, which may stand inside a value, and which end one.

What people write for a digit is not ten characters but some seven hundred: full-width, Arabic-Indic, mathematical,
circled, Chinese numerals. All of them, and what has no width at all, are folded to ASCII before anything is looked for.
"""

from __future__ import annotations

import unicodedata
from functools import cache

PROVINCE, SUFFIX = "\x01", "\x02"
"""What the characters fold to with which a Chinese number plate begins, and may end."""

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领"
_SUFFIXES = "学警港澳挂"
_NUMERALS = "零〇0一弌〡1二弍〢2三弎〣3四〤4五〥5六〦6七〧7八〨8九〩9壹1贰2貳2叁3參3肆4伍5陆6陸6柒7捌8玖9幺1"
_MIDDLE_DOTS = "·•・‧∙⋅․"
# Signs that stand in values; a full-width comma, question or exclamation mark ends one as it ends a sentence.
_SIGNS = frozenset("@.-_+/:=%()")
_DASHES = "‐‑‒–—―−"
# Without width or shape of their own; any of them may stand between any two characters of a value. What the standard
# has to be ignored, formats, and marks that combine with the letters of every script; those of one script stay, since
# they are half of what is written in it.
_NOTHING = (
    (0x00AD, 0x00AD), (0x0300, 0x036F), (0x0483, 0x0489), (0x0600, 0x0605), (0x061C, 0x061C), (0x064B, 0x065F),
    (0x0670, 0x0670), (0x06DD, 0x06DD), (0x070F, 0x070F), (0x0890, 0x0891), (0x08E2, 0x08E2), (0x0951, 0x0954),
    (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x1AB0, 0x1AFF), (0x1CD0, 0x1CD2), (0x1CD4, 0x1CE8),
    (0x1CED, 0x1CED), (0x1CF4, 0x1CF4), (0x1CF8, 0x1CF9), (0x1DC0, 0x1DFF), (0x200B, 0x200F), (0x202A, 0x202E),
    (0x2060, 0x206F), (0x20D0, 0x20F0), (0x302A, 0x302D), (0x3099, 0x309A), (0x3164, 0x3164), (0xA66F, 0xA672),
    (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x101FD, 0x101FD),
    (0x102E0, 0x102E0), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3),
    (0x1CF00, 0x1CF46), (0x1D167, 0x1D169), (0x1D173, 0x1D182), (0x1D185, 0x1D18B), (0x1D1AA, 0x1D1AD),
    (0xE0000, 0xE0FFF),
)  # fmt: skip
# Where the standard has digits, letters and signs that are ASCII in other clothes.
_WHERE = (
    (0x00B2, 0x00BE), (0x0660, 0x0DF0), (0x0E50, 0x19DB), (0x1A80, 0x1C5A), (0x2070, 0x209F), (0x2100, 0x214F),
    (0x2460, 0x24FF), (0x2776, 0x2794), (0xA620, 0xAA5A), (0xABF0, 0xABFA), (0xFE50, 0xFE6F), (0xFF01, 0xFF5E),
    (0x104A0, 0x104AA), (0x10A40, 0x10A43), (0x10D30, 0x10D3A), (0x10E60, 0x10E68), (0x11052, 0x1105A),
    (0x11066, 0x11DAA), (0x16A60, 0x16B5A), (0x1D400, 0x1D7FF), (0x1E140, 0x1E95A), (0x1F100, 0x1F10C),
    (0x1FBF0, 0x1FBFA),
)  # fmt: skip

SPACES = " \t\n\r\v\f\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""A class of characters, as an expression writes it: what may separate the groups of a number."""

# Quotes, commas and brackets end every value; so does each character that is neither ASCII nor folded to it.
_ASCII_RUN = r"!#$%&()*+\-./0-9:;<=>?@A-Z\\^_a-z|~"


@cache
def guises() -> dict[int, str]:
    """Every character that is an ASCII one in other clothes, by its code point; empty for what means nothing."""
    table: dict[int, str] = {}
    for first, last in _WHERE:
        for point in range(first, last + 1):
            plain = _plain(chr(point))
            if plain:
                table[point] = plain
    table |= {ord(character): "." for character in _MIDDLE_DOTS}
    table |= {ord(character): "-" for character in _DASHES}
    return table | {point: "" for first, last in _NOTHING for point in range(first, last + 1)}


@cache
def folds() -> dict[int, str]:
    """Every character that means another to a recogniser: `guises`, numerals, and what number plates are made of."""
    table = guises() | {ord(character): digit for character, digit in _numerals()}
    table |= {ord(character): PROVINCE for character in _PROVINCES}
    table |= {ord(character): SUFFIX for character in _SUFFIXES}
    table[ord("：")] = "="  # before a value, as a colon is; but addresses have colons within
    return table


def _plain(character: str) -> str:
    """The one ASCII character that is meant, empty where there is none."""
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKC", character)
    return plain if len(plain) == 1 and ((plain.isascii() and plain.isalnum()) or plain in _SIGNS) else ""


def _numerals() -> list[tuple[str, str]]:
    pairs, digit = [], ""
    for character in reversed(_NUMERALS):
        if character.isascii():
            digit = character
        else:
            pairs.append((character, digit))
    return pairs


@cache
def foldable() -> str:
    """A class of all characters that fold."""
    return _ranges(folds())


@cache
def nothing() -> str:
    """A class of all that folds to nothing."""
    return _ranges({point: "" for point, text in guises().items() if not text})


@cache
def guised() -> str:
    """A class of all characters of `guises`."""
    return _ranges(guises())


@cache
def digits() -> str:
    """A class of all that means a digit, and of what means nothing: it may stand between two of them."""
    return "0-9" + _ranges({point: text for point, text in folds().items() if not text or text.isdigit()})


@cache
def inert() -> str:
    """A class of what means letters and digits, or nothing: within a long run of these no value begins."""
    return "0-9A-Za-z" + _ranges({point: text for point, text in folds().items() if not text or text.isalnum()})


@cache
def run() -> str:
    """A class of all characters that may stand inside a value."""
    return _ASCII_RUN + foldable()


def _ranges(points: dict[int, str]) -> str:
    written, ordered = [], sorted(points)
    first = last = ordered[0]
    for point in [*ordered[1:], -1]:
        if point == last + 1:
            last = point
            continue
        written.append(f"\\U{first:08x}-\\U{last:08x}")
        first = last = point
    return "".join(written)
