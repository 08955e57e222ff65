"""A line of `lumina.spans`, as far as detection looks at it.

Decoding straight into these types skips every field that is not named here, which is most of a line.
"""

import msgspec
from msgspec import Struct

from lumina_schemas.source import Source


class CallPart(Struct, frozen=True, gc=False):
    """One piece of a message; only texts are read."""

    type: str
    content: str | None = None


class CallMessage(Struct, frozen=True):
    """One message of a prompt or an answer."""

    role: str
    parts: tuple[CallPart, ...] = ()


class CallTool(Struct, frozen=True, gc=False):
    """A tool that the model asked for."""

    name: str


class CallDocument(Struct, frozen=True, gc=False):
    """A document that a retrieval found; only that there is one counts."""


class CallError(Struct, frozen=True, gc=False):
    """What went wrong."""

    type: str = "error"


class Call(Struct, frozen=True, kw_only=True, tag_field="type", tag="span"):
    """A normalised span (`lumina_schemas.span.Span`, same names), without what detection does not need."""

    src: Source
    series_id: str
    project: str
    service: str
    endpoint: str
    trace_id: str
    span_id: str
    start_ns: int
    duration_ms: float
    kind: str = "span"
    status: str = "unset"
    error: CallError | None = None
    scope: str = ""
    request_model: str = ""
    response_model: str = ""
    response_id: str = ""
    input_messages: tuple[CallMessage, ...] = ()
    output_messages: tuple[CallMessage, ...] = ()
    tool_calls: tuple[CallTool, ...] = ()
    retrieval_documents: tuple[CallDocument, ...] = ()
    ttft_ms: float | None = None
    release: str = ""
    clock_skew: bool = False
    endpoint_overflow: str = ""
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    output_tokens: int | None = None
    finish_reasons: tuple[str, ...] = ()
    prompt_version: str = ""
    cost_usd: float | None = None
    sample_rate: float | None = None
    duplicate_of: str = ""
    candidate: bool = False
    priced: bool = False
    truncated: tuple[str, ...] = ()


class LateContent(Struct, frozen=True, kw_only=True, tag_field="type", tag="content"):
    """Content that came after its span: it takes its position, detection does not judge it."""

    src: Source
    series_id: str


_LINE = msgspec.json.Decoder(Call | LateContent)


def decode_line(line: bytes) -> Call | LateContent:
    """Decode one NDJSON line. Raises msgspec.DecodeError where it is neither type."""
    decoded: Call | LateContent = _LINE.decode(line)
    return decoded
