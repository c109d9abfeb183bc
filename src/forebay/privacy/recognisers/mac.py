"""MAC addresses."""

from __future__ import annotations

from forebay.privacy.recogniser import LIKELY, NO, Found, Recogniser, recognisers


def _judge(found: Found) -> float:
    return NO if set(found.text) <= set("0:-") or set(found.text.lower()) <= set("f:-") else LIKELY


recognisers.add("mac")(
    Recogniser(
        pattern=(
            r"(?:^|[^A-Za-z0-9:-]|[A-Za-z]{3}[:-])((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}"
            r"|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})(?:$|[^A-Za-z0-9:-])"
        ),
        gate=r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.",
        judge=_judge,
    )
)
