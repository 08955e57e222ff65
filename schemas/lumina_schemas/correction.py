"""Corrections: what a call costs by other prices than those of the day on which it was normalised.

Written by `lumina reprice`, read by the views only: alerts and baselines stay as they were decided.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from lumina_schemas.span import CostStatus

CORRECTION_VERSION = 1


class Correction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The cost of one call from now on; its key is `key_of` it, the last one of a key holds.

    `start_ns` is the call's own: views find the row by it.
    """

    v: int  # CORRECTION_VERSION
    project: str
    trace_id: str
    span_id: str
    start_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    cost_usd: float | None = None  # absent: unknown
    cost_status: CostStatus
    cost_reason: str = ""
    price_version: str = ""
    at: Annotated[datetime, Meta(tz=True)]  # when it was written, RFC 3339
    by: Annotated[str, Meta(max_length=200)]  # which command, of whom


def key_of(project: str, trace_id: str, span_id: str) -> bytes:
    """Key of a call's corrections: all of them lie in one partition, in their order."""
    return f"{project}/{trace_id}/{span_id}".encode()
