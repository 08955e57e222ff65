"""Why a request is not taken, in words for both HTTP and gRPC.

OTLP's clients resend after HTTP 429, 502, 503, 504 and gRPC UNAVAILABLE (among others), and drop their data
after anything else. So whatever is not the sender's fault is UNAVAILABLE, an unexpected error of ours too.
"""

from collections.abc import Mapping
from enum import IntEnum


class Code(IntEnum):
    """The codes of google.rpc.Status in use here."""

    INVALID_ARGUMENT = 3
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class Refusal(Exception):
    """A request that is answered with an error: HTTP status, google.rpc code, and text for the sender.

    `headers` go along, as trailing metadata in gRPC.
    """

    def __init__(
        self,
        status: int,
        code: Code,
        message: str,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.headers = headers or {}


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


def not_let_in(status: int, message: str, headers: Mapping[str, str]) -> Refusal:
    """The caller's key does not open this (401, 403), or cannot be checked yet (503)."""
    if status == 503:
        return unavailable(f"{message} Nothing was kept: send it again.")
    code = Code.UNAUTHENTICATED if status == 401 else Code.PERMISSION_DENIED
    return Refusal(status, code, message, headers={name.lower(): value for name, value in headers.items()})
