"""港澳台 permits: 港澳居民来往内地通行证, 往来港澳通行证, 台湾居民来往大陆通行证, 往来台湾通行证."""

from __future__ import annotations

import re

from forebay.privacy.recogniser import LIKELY, NO, POSSIBLE, Found, Recogniser, near, recognisers

_named = near("通行证", "回乡证", "台胞证", "港澳", "台湾居民", "permit", "home return", "mtp")
_OWN_FORM = re.compile(r"[HM](?:[0-9]{8}|[0-9]{10})|C[A-HJ-NP-Z0-9][0-9]{7}|[LTW][0-9]{8}")


def _judge(found: Found) -> float:
    if not _OWN_FORM.fullmatch(found.text.upper()) and not re.fullmatch(r"[0-9]{8}(?:[0-9]{2})?", found.text):
        return NO
    if _named(found):
        return LIKELY
    return POSSIBLE if re.fullmatch(r"[HM][0-9]{10}|C[A-HJ-NP-Z][0-9]{7}", found.text) else NO


recognisers.add("travel_permit")(
    Recogniser(
        pattern=(
            r"(?:^|[^A-Za-z0-9._-])([HMCLTWhmcltw][A-Za-z0-9]?[0-9]{7,9}|[0-9]{8}(?:[0-9]{2})?)"
            r"(?:$|[^A-Za-z0-9.-]|[.-](?:$|[^A-Za-z0-9]))"
        ),
        gate=r"[0-9]{7}",
        judge=_judge,
    )
)
