"""What the sender says that a call cost, from whatever it wrote."""

import math
from typing import Any

import msgspec

from lumina_schemas.mapping.costs import COST_TOTALS, SCOPED_COSTS
from lumina_streams.core.span.attributes import Reading

FIELD = "reported_cost_usd"
"""Name under which `attributes.read` puts it."""

MAX_USD = 1_000_000.0
MAX_CHARS = 5_000


def reported_cost(reading: Reading, scope: str) -> float | None:
    """USD, or None where nothing was reported. The integer 0 is OpenLIT's "no price found"."""
    value = reading.fields.get(FIELD)
    if value is None and scope in SCOPED_COSTS:
        value = reading.other.get(SCOPED_COSTS[scope])
    return None if value is None else _usd(value)


def _usd(value: Any) -> float | None:
    if isinstance(value, str):
        if len(value) > MAX_CHARS:
            return None
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return None
    if isinstance(value, dict):
        return _total(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if type(value) is int and value == 0:
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= MAX_USD else None


def _total(parts: dict[str, Any]) -> float | None:
    for name in COST_TOTALS:
        if name in parts:
            return _usd(parts[name])
    known = [usd for part in parts.values() if (usd := _usd(part)) is not None]
    return round(sum(known), 12) if known else None
