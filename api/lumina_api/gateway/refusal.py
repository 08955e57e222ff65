"""Why a request is not taken, in words for both HTTP and gRPC.

OTLP's clients resend after HTTP 429, 502, 503, 504 and gRPC UNAVAILABLE (among others), and drop their data
after anything else. So whatever is not the sender's fault is UNAVAILABLE, an unexpected error of ours too.
"""

from enum import IntEnum


class Code(IntEnum):
    """The codes of google.rpc.Status in use here."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14


class Refusal(Exception):
    """A request that is answered with an error: HTTP status, google.rpc code, and text for the sender."""

    def __init__(self, status: int, code: Code, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


def unavailable(message: str, retry_after_s: int = 1) -> Refusal:
    """Not now: the client keeps its data and sends it again."""
    return Refusal(503, Code.UNAVAILABLE, message, retry_after_s)


def invalid(message: str) -> Refusal:
    """The request itself is wrong: sending it again is of no use."""
    return Refusal(400, Code.INVALID_ARGUMENT, message)


def too_large(message: str) -> Refusal:
    """The request is beyond a limit: sending it again is of no use."""
    return Refusal(413, Code.RESOURCE_EXHAUSTED, message)


def body_too_large(limit: int) -> Refusal:
    """The request has more bytes than LUMINA_MAX_BODY_BYTES."""
    return too_large(
        f"The request has more than {limit} bytes after decompression. Send smaller batches, or raise "
        "LUMINA_MAX_BODY_BYTES."
    )
