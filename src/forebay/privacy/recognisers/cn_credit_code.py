"""统一社会信用代码 (GB 32100-2015): 18 characters with a check character."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, counted, recognisers

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def _judge(found: Found) -> float:
    text = found.text.upper()
    if text[:2].isdigit() and text.isdigit() and text[0] not in "159":
        return NO
    total = sum(_ALPHABET.index(character) * pow(3, index, 31) for index, character in enumerate(text[:17]))
    if _ALPHABET[-total % 31] != text[17]:
        return NO
    if not text.isdigit():
        return CERTAIN
    return UNLIKELY if counted(found) else LIKELY  # a citizen's id may pass this check as well


recognisers.add("cn_credit_code")(
    Recogniser(
        pattern=(
            r"(?:^|[^A-Za-z0-9])([159YNA][1239ac-hj-npqrtuwxyAC-HJ-NPQRTUWXY][0-9]{6}[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]{10})"
            r"(?:$|[^A-Za-z0-9])"
        ),
        gate=r"[0-9]{6}[0-9A-Ya-y]{10}",
        judge=_judge,
    )
)
