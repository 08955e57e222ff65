"""Trace and span ids: the only thing a span cannot be without."""

from typing import Any, Literal

NO_TRACE = bytes(16)
NO_SPAN = bytes(8)

Problem = Literal[
    "trace_id is missing",
    "trace_id is all zero",
    "trace_id must have 16 bytes",
    "span_id is missing",
    "span_id is all zero",
    "span_id must have 8 bytes",
]


def valid_ids(span: Any) -> bool:
    """Whether a span's trace id has 16 bytes and its span id 8, neither all zero (W3C Trace Context)."""
    trace, own = span.trace_id, span.span_id
    return len(trace) == 16 and len(own) == 8 and trace != NO_TRACE and own != NO_SPAN


def id_problem(span: Any) -> Problem | None:
    """What is wrong with a span's ids, None where they are valid."""
    trace, own = span.trace_id, span.span_id
    if len(trace) != 16:
        return "trace_id must have 16 bytes" if trace else "trace_id is missing"
    if trace == NO_TRACE:
        return "trace_id is all zero"
    if len(own) != 8:
        return "span_id must have 8 bytes" if own else "span_id is missing"
    return "span_id is all zero" if own == NO_SPAN else None
