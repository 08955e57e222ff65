"""Why a model stopped, in one spelling (`lumina_schemas.mapping.finish`)."""

from typing import Any

import msgspec

from lumina_schemas.mapping.finish import FINISH_REASONS

MAX_REASONS = 64
"""A call has one reason a choice; more is not an answer."""


def finish_reason(reason: Any) -> str:
    """One spelling for a reason to stop; "" where there is none."""
    known = FINISH_REASONS.get(reason) if isinstance(reason, str) else ""
    if known is not None:
        return known
    spelled = reason.strip('"').rsplit(".", 1)[-1].lower()
    found: str = FINISH_REASONS.get(spelled, spelled[:100])
    return found


def finish_reasons(value: Any) -> tuple[str, ...]:
    """Reasons from a list, JSON text of a list, or one reason; at most `MAX_REASONS`."""
    if isinstance(value, list) and len(value) == 1:
        reason = finish_reason(value[0])
        return (reason,) if reason else ()
    if isinstance(value, str) and value.startswith("["):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return ()
    if not isinstance(value, list):
        reason = finish_reason(value)
        return (reason,) if reason else ()
    return tuple(reason for reason in map(finish_reason, value[:MAX_REASONS]) if reason)
