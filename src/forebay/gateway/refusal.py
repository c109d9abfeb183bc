"""Refusals: what a client is told when it does not get an answer, in OpenAI's shape and with a stable code."""

from __future__ import annotations

import msgspec

from forebay.wire.dialect import OPENAI, Dialect, Fault


class Code(msgspec.Struct, frozen=True):
    """A stable error code: its status, OpenAI's error type, and what it means, for the reference."""

    status: int
    type: str
    meaning: str


_REQUEST, _SERVER, _LIMIT = "invalid_request_error", "server_error", "rate_limit_error"

CODES: dict[str, Code] = {
    "answer_withheld": Code(
        403, _REQUEST, "The answer holds what the policy of `privacy` refuses; none of it is sent."
    ),
    "ambiguous_length": Code(400, _REQUEST, "Content-Length and Transfer-Encoding contradict each other."),
    "audit_unavailable": Code(503, _SERVER, "The call cannot be put on the audit log, so it is not answered."),
    "bad_chunk": Code(400, _REQUEST, "The chunked body cannot be framed."),
    "bad_content_length": Code(400, _REQUEST, "Content-Length is not one decimal number."),
    "bad_header": Code(400, _REQUEST, "A header line breaks the grammar of HTTP."),
    "bad_host": Code(400, _REQUEST, "The Host header is not a host name."),
    "bad_request_line": Code(400, _REQUEST, "The request line breaks the grammar of HTTP."),
    "bad_target": Code(400, _REQUEST, "The request target is not an absolute path."),
    "body_too_large": Code(413, _REQUEST, "The body exceeds gateway.limits.body."),
    "body_timeout": Code(408, _REQUEST, "The body came too slowly."),
    "client_too_slow": Code(408, _REQUEST, "The client read nothing for gateway.timeouts.stall; seen in the log only."),
    "budget_exceeded": Code(429, _LIMIT, "The key's, tenant's or model's money for this day or month is used up."),
    "concurrency_exceeded": Code(429, _LIMIT, "As many calls run as the key, tenant or model may have at once."),
    "consent_required": Code(403, _REQUEST, "The call's purpose needs the consent of the person that it is for."),
    "consent_unavailable": Code(503, _SERVER, "Who consents cannot be read at the moment."),
    "consent_withdrawn": Code(403, _REQUEST, "The person withdrew the consent; ends a stream as its last event."),
    "context_exceeded": Code(400, _REQUEST, "max_tokens exceeds the model's context."),
    "deadline_exceeded": Code(504, _SERVER, "The call took longer than gateway.timeouts.call."),
    "draining": Code(503, _SERVER, "This worker is stopping; another one answers."),
    "duplicate_header": Code(400, _REQUEST, "A header that must be single stands there twice."),
    "engine_error": Code(502, _SERVER, "The engine failed on this request."),
    "engine_lost": Code(502, _SERVER, "The engine went away, and no other could answer within the retry budget."),
    "engine_refused": Code(400, _REQUEST, "The engine refuses this request; the message is its own, shortened."),
    "engine_busy": Code(429, _LIMIT, "The engine, which forebay does not own, takes no more calls now."),
    "engine_timeout": Code(504, _SERVER, "The engine did not begin to answer in time."),
    "expectation_failed": Code(417, _REQUEST, "Expect asks for more than 100-continue."),
    "answer_too_large": Code(502, _SERVER, "The engine's answer exceeds gateway.limits.answer."),
    "head_timeout": Code(408, _REQUEST, "The head of the request came too slowly."),
    "headers_too_large": Code(431, _REQUEST, "The headers exceed gateway.limits.head, or are more than 100."),
    "idempotency_finished": Code(409, _REQUEST, "The key's call was answered: as a stream, or too large to be kept."),
    "idempotency_in_progress": Code(409, _REQUEST, "The key's call is being answered; Retry-After says when to ask."),
    "idempotency_keys_exceeded": Code(429, _LIMIT, "The tenant has gateway.idempotency.keys keys already."),
    "idempotency_mismatch": Code(422, _REQUEST, "The idempotency key came with another request before."),
    "idempotency_unavailable": Code(503, _SERVER, "What holds idempotency keys is lost: nothing is generated for one."),
    "idempotency_undecided": Code(409, _REQUEST, "The worker with the key's call vanished; use another key."),
    "internal_error": Code(500, _SERVER, "forebay itself failed; the log has the detail."),
    "invalid_api_key": Code(401, "authentication_error", "The key is missing, malformed, unknown, expired or revoked."),
    "invalid_json": Code(400, _REQUEST, "The body is not one JSON object that every parser reads alike."),
    "invalid_value": Code(400, _REQUEST, "A field of the body is out of bounds."),
    "keys_unavailable": Code(503, _SERVER, "PostgreSQL is lost for longer than store.postgres.grace."),
    "limits_unavailable": Code(503, _SERVER, "Valkey is lost, and valkey.on_loss is `closed`."),
    "method_not_allowed": Code(405, _REQUEST, "The route exists, but not for this method."),
    "method_override": Code(400, _REQUEST, "Method override headers are not accepted."),
    "missing_field": Code(400, _REQUEST, "A required field of the body is missing."),
    "missing_host": Code(400, _REQUEST, "An HTTP/1.1 request needs a Host header."),
    "model_not_found": Code(404, _REQUEST, "No model has this name or alias."),
    "not_found": Code(404, _REQUEST, "No such route."),
    "not_supported": Code(400, _REQUEST, "No engine of this model serves the route, the field or images."),
    "not_ready": Code(503, _SERVER, "A model has no engine that is ready."),
    "personal_data_refused": Code(400, _REQUEST, "The request holds what the policy of `privacy` refuses."),
    "privacy_failed": Code(503, _SERVER, "A text could not be searched for personal data, so it went nowhere."),
    "permission_denied": Code(403, "permission_error", "The key's scopes do not allow this."),
    "queue_full": Code(429, _LIMIT, "More waits than gateway.queue.calls, the class or the tenant may have waiting."),
    "queue_timeout": Code(503, _SERVER, "No engine had a place within gateway.queue.wait, or the call's own deadline."),
    "rate_limit_exceeded": Code(429, _LIMIT, "The key's, tenant's or model's requests a minute are used up."),
    "stream_unsearchable": Code(400, _REQUEST, "A plug-in of `privacy` looks at answers, which it cannot in streams."),
    "stream_cut": Code(502, _SERVER, "The engine ended a stream that had begun; sent as the stream's last event."),
    "target_too_long": Code(414, _REQUEST, "The request target exceeds gateway.limits.target."),
    "too_many_failures": Code(429, _LIMIT, "Too many wrong keys came from this address; see security.failures."),
    "token_limit_exceeded": Code(429, _LIMIT, "The key's, tenant's or model's tokens a minute are used up."),
    "unexpected_body": Code(400, _REQUEST, "A body on a method that has none."),
    "unknown_field": Code(400, _REQUEST, "A field of the body is not on the route's allow-list."),
    "unknown_purpose": Code(400, _REQUEST, "x-forebay-purpose names none of processing.purposes."),
    "unknown_transfer_encoding": Code(501, _REQUEST, "A transfer encoding other than chunked."),
    "unreadable_content": Code(
        400, _REQUEST, "Images and token ids cannot be searched; `privacy.unreadable` is block."
    ),
    "unsupported_media_type": Code(415, _REQUEST, "The body is not plain application/json in UTF-8."),
    "wait_too_long": Code(503, _SERVER, "The wait for a place is foreseen to be longer than this call may wait."),
}

# A line for a refusal that no retry can change: OpenAI's clients ask again after every 409 and 429 but one with it.
FINAL = b"x-should-retry: false\r\n"


class Refusal(Exception):
    """A typed answer instead of the one asked for. A refusal is not a failure: nothing is wrong with forebay."""

    def __init__(
        self, code: str, message: str, *, param: str | None = None, retry_after_s: int = 0, close: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.close = close

    @property
    def status(self) -> int:
        return CODES[self.code].status

    @property
    def fault(self) -> Fault:
        """What a dialect writes down."""
        code = CODES[self.code]
        return Fault(code.status, code.type, self.code, self.message, self.param)

    def body(self, dialect: Dialect = OPENAI) -> bytes:
        """The error as an answer's body."""
        return dialect.error(self.fault)


class ClientGone(Exception):
    """The client left or reads nothing; `reason` is a bounded word for the metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EngineFailed(Exception):
    """An engine did not answer. `sent`: whether it may have begun to work; `reason` is a bounded word.

    `retry_after_s`: what it asks whoever comes back to wait, 0 where it says nothing.
    """

    def __init__(self, reason: str, *, sent: bool, retry_after_s: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.retry_after_s = retry_after_s
