"""IP addresses, but for those that are nobody's in particular."""

from __future__ import annotations

import ipaddress
import re

from forebay.privacy.recogniser import LIKELY, NO, POSSIBLE, Found, Recogniser, near, recognisers

_versioned = near("version", "ver", "v", "release", "firmware", "版本", "chrome/", "semver")


def _judge(found: Found) -> float:
    text = found.text
    if ":" in text and "::" not in text and text.count(":") + text.count(".") // 3 != 7:
        return NO  # most of what has colons is told by their number
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return NO
    if address.is_loopback or address.is_unspecified or (address.version == 4 and int(address) == 2**32 - 1):
        return NO
    if address.version == 4 and (_versioned(found) or re.search(r"[a-z]/\Z", found.before)):
        return NO  # four numbers with dots are a version, too
    if address.version == 6 and text.count(":") < 3 and not re.search(r"[0-9]", text):
        return NO
    return LIKELY if address.version == 6 or not address.is_private else POSSIBLE


recognisers.add("ip")(
    Recogniser(
        pattern=(
            r"(?:^|[^A-Za-z0-9.:]|[G-Zg-z][A-Za-z]{0,12}:|[A-Za-z]{2,5}:)((?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}"
            r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?)(?:$|[^A-Za-z0-9.:-]|[.:](?:$|[^A-Za-z0-9])|-(?:$|[^A-Za-z]))"
        ),
        gate=r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|:[0-9A-Fa-f]{0,4}:",
        judge=_judge,
    )
)
