"""Passwords inside addresses and connection strings."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, NO, Found, Recogniser, recognisers

_EXAMPLES = frozenset({"password", "pass", "pw", "passwd", "pwd", "secret", "xxx", "xxxx", "***", "****", "changeme"})


def _judge(found: Found) -> float:
    """The whole address: who reads it may log in. An example's is not one."""
    password = found.text.partition("://")[2].rpartition("@")[0].partition(":")[2]
    if password.lower() in _EXAMPLES or password.startswith(("$", "<", "%(")):
        return NO
    return CERTAIN


recognisers.add("connection_string")(
    Recogniser(
        pattern=(
            r"(?:^|[^A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s:/@?]{0,60}:[^\s/@]{1,100}@"
            r"[A-Za-z0-9._\-:]{1,80}(?:/[A-Za-z0-9._\-]{0,40})?)"
        ),
        gate=r"://[^\s:/@?]{0,60}:",
        needs=b"@",
        judge=_judge,
    )
)
