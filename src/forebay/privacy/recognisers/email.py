"""E-mail addresses, as RFC 5321 has them without quotes."""

from __future__ import annotations

import re

from forebay.privacy.recogniser import LIKELY, NO, Found, Recogniser, recognisers

# Names that look like domains: what stands behind the last dot of a file.
_FILES = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "ts", "py", "html", "json", "yaml", "md"})
_LOGIN = re.compile(r"://[^\s/@:]*:[^\s/@]*\Z")


def _judge(found: Found) -> float:
    if _LOGIN.search(found.before):
        return NO  # the password in an address, and its host
    local, _, domain = found.text.rpartition("@")
    labels = domain.lower().split(".")
    if local.endswith(".") or ".." in local or labels[-1] in _FILES:
        return NO
    return NO if any(not label or label[0] == "-" or label[-1] == "-" for label in labels) else LIKELY


recognisers.add("email")(
    Recogniser(
        pattern=(
            r"([A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,180}[A-Za-z0-9])?\.[A-Za-z]{2,24})"
            r"(?:$|[^A-Za-z0-9])"
        ),
        gate=r"[A-Za-z0-9._%+-]@[A-Za-z0-9]",
        needs=b"@",
        judge=_judge,
    )
)
