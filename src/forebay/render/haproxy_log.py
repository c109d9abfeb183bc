"""HAProxy's log: the calls that the gateway did not see, or saw twice, in the project's JSON form."""

from __future__ import annotations

from importlib.metadata import version

from forebay.config.schema import Config

# Neither target nor headers: a query or a bearer token must not reach a log, not even of a malformed request.
_COMMON = (
    '"timestamp":"%[date,utime(%Y-%m-%dT%H:%M:%S)].%[date(0,ms),regsub(^[0-9]{10},)]Z"',
    '"service":"{service}"',
    '"version":"{version}"',
    '"unit":"edge"',
    '"client_ip":"%ci"',
)
_CALL = (
    '"level":"%[var(txn.level)]"',
    '"message":"%[var(txn.message)]"',
    '"request_id":"%[var(txn.request_id)]"',
    '"status":%ST',
    '"latency_ms":%Ta',
    '"upstream":"%s"',
    '"ended":"%ts"',
)
# What ends before it is a request: a failed handshake, or bytes that are not HTTP.
_ERROR = (
    '"level":"warning"',
    '"message":"refused before it was a request"',
    '"status":%ST',
    '"reason":"%[fc_err_str]"',
)


def log_lines(config: Config) -> list[str]:
    """Destination and formats, for the frontend: standard error, which the holder keeps."""
    if not config.observe.log.access:
        return []
    return ["log global", f"log-format '{_line(config, _CALL)}'", f"error-log-format '{_line(config, _ERROR)}'"]


def request_rules() -> list[str]:
    """Before all other rules: nothing is logged but what a later rule takes."""
    return ["http-request set-log-level silent", 'http-request set-var(txn.message) str("answered by the edge")']


def answer_rules() -> list[str]:
    """For the frontend: which answers are logged, and as what."""
    own = "!{ var(txn.answered) -m found }"
    retried = "{ var(txn.retries) -m found } !{ var(txn.retries) -m str 0 }"
    message = "http-after-response set-var(txn.message)"
    level = "http-after-response set-var(txn.level)"
    return [
        f'{message} str("the gateway did not answer") if {own} {{ status 502:504 }}',
        f'{message} str("retried on another worker") if {retried}',
        f"{level} str(info)",
        f"{level} str(warning) if {{ status 400:499 }}",
        f"{level} str(error) if {{ status 500:599 }}",
        f"http-after-response set-log-level info if {own}",
        f"http-after-response set-log-level info if {retried}",
    ]


def backend_rules() -> list[str]:
    """For the backend: marks what the gateway answered, and how often it was asked."""
    return ["http-response set-var(txn.answered) bool(true)", "http-response set-var-fmt(txn.retries) %rc"]


def _line(config: Config, fields: tuple[str, ...]) -> str:
    text = ",".join((*_COMMON, *fields))
    return "{" + text.replace("{service}", config.service).replace("{version}", version("forebay")) + "}"
