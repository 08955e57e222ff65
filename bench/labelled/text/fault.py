"""What may be wrong with answers, in which series it can occur, and where a stream can see it by itself."""

from typing import Literal, get_args

from labelled.text.plan import STATED, TextPlan

QualityType = Literal[
    "refusal",
    "truncation",
    "wrong_language",
    "broken_json",
    "off_topic",
    "shortened",
    "contradiction",
    "empty",
    "loop",
    "no_documents",
    "tool_error",
    "subtle_fact",
]
QUALITY_TYPES: tuple[QualityType, ...] = get_args(QualityType)
HARD: frozenset[QualityType] = frozenset(
    {
        *("refusal", "truncation", "wrong_language", "broken_json", "empty", "loop"),
        *("no_documents", "tool_error"),
    }
)
"""A call shows these by itself; the others only beside earlier answers."""

LEAST_SENTENCES = 5  # of an answer that can be shortened


def occurs(fault: QualityType, plan: TextPlan) -> bool:
    """Whether a fault makes sense in a series."""
    match fault:
        case "broken_json":
            return plan.kind == "json"
        case "wrong_language" | "off_topic" | "loop" | "shortened" if plan.kind == "json":
            return False
        case "no_documents":
            return plan.kind == "rag"
        case "tool_error":
            return plan.kind == "tools"
        case "contradiction":
            return plan.kind in STATED
        case "subtle_fact":
            return plan.kind in ("template", "faq", "rag")
        case "shortened":
            return plan.kind in ("faq", "template", "rag", "summary") and plan.points >= LEAST_SENTENCES
    return True


def visible(fault: QualityType, plan: TextPlan) -> bool:
    """Whether signs, likeness and consensus can see a fault, without anybody who understands the answers.

    A change of one fact among many is for a judge. So is a story about something else, and what a series says
    in free words beside its calls of tools.
    """
    if fault == "subtle_fact" or not occurs(fault, plan):
        return False
    return not (fault == "off_topic" and plan.kind in ("creative", "tools"))


def usual_share(fault: QualityType, plan: TextPlan) -> float:
    """Share of answers that have a fault while nothing happens."""
    match fault:
        case "refusal":
            return plan.refusals
        case "truncation":
            return plan.truncated
        case "empty":
            return plan.empty
        case "broken_json":
            return plan.unparsed
        case "no_documents":
            return plan.undocumented
        case "tool_error":
            return plan.tool_errors
    return 0.0
