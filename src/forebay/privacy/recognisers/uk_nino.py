"""National insurance numbers of the United Kingdom."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, NO, POSSIBLE, Found, Recogniser, near, recognisers

_FORM = r"[A-Za-z]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[0-9]{2}[ -]?[A-Da-d]"
_named = near("nino", "ni number", "national insurance", "ni no", "insurance")


def _judge(found: Found) -> float:
    if not _is_valid(found.text.upper()):
        return NO
    return CERTAIN if _named(found) else POSSIBLE


def _is_valid(text: str) -> bool:
    letters = text[:2]
    return (
        not set(letters) & set("DFIQUV")
        and letters[1] != "O"
        and letters not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
    )


recognisers.add("uk_nino")(
    Recogniser(
        pattern=rf"(?:^|[^A-Za-z0-9])({_FORM})(?:$|[^A-Za-z0-9])",
        gate=_FORM,
        judge=_judge,
    )
)
