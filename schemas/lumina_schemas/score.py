"""The lines of `lumina.scores`: what the answer of one call is worth, judged in the stream.

A message's value is NDJSON, a line a judged call. Written by detect at least once: after a crash a line may
come again, the same. Calls without captured answers have none.
"""

from typing import Literal

from msgspec import Struct

SCORE_VERSION = 1

Tier = Literal["signs", "similarity", "semantics", "judge"]
"""What decided about an answer: 0 = hard signs, 1 = likeness to earlier answers, 1.5 = likeness of character
n-grams, 2 = a model. docs/quality.md says what each can see.
"""

QualityReason = Literal[
    "",
    "empty",
    "refusal",
    "content_filter",
    "invalid_json",
    "shape",
    "loop",
    "length",
    "language",
    "tool_error",
    "no_documents",
    "contradiction",
    "unfounded",
    "short",
    "unlike",
]
"""Why a score is low; empty where nothing is wrong."""


class Score(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quality of one call's answer; it belongs to the span of this id."""

    v: int  # SCORE_VERSION
    project: str
    series_id: str
    trace_id: str
    span_id: str
    start_ns: int  # the span's own: views find the row by it
    quality: float  # 0 to 1; below `quality_min` is bad
    quality_tier: Tier
    quality_reason: QualityReason = ""
