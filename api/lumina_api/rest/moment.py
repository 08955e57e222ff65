"""Times in REST: RFC 3339 or relative to now on the way in, RFC 3339 with nanoseconds on the way out."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from lumina_api.views.batch import nanoseconds

NS = 1_000_000_000
MAX_NS = 2**63 - 1

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_RELATIVE = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
# `+` in a query string is a space: 2026-01-01T00:00:00+02:00 arrives so where nobody escaped it.
_UNESCAPED_PLUS = re.compile(r"(?<=\d) (?=\d\d:\d\d$)")
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Moment:
    """A time as it was asked for: absolute in Unix ns, or so many ns before now."""

    ns: int
    before_now: bool

    def resolve(self, now_ns: int) -> int:
        """Unix time in ns, within what the views can hold."""
        return min(MAX_NS, max(0, now_ns - self.ns if self.before_now else self.ns))


def moment(text: object) -> Moment:
    """Parse `15m`, `24h`, `7d` or RFC 3339. Raises ValueError, saying what is taken."""
    if isinstance(text, Moment):
        return text
    value = str(text)
    if relative := _RELATIVE.fullmatch(value):
        return Moment(int(relative[1]) * _UNITS[relative[2]] * NS, before_now=True)
    try:
        return Moment(nanoseconds(_UNESCAPED_PLUS.sub("+", value)), before_now=False)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            "must be a time before now such as 15m, 24h or 7d, or RFC 3339 with a time zone, "
            "such as 2026-01-31T12:00:00Z"
        ) from error


def rfc3339(ns: int) -> str:
    """RFC 3339 in UTC, with nanoseconds."""
    seconds, rest = divmod(ns, NS)
    at = _EPOCH + timedelta(seconds=seconds)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


MomentParameter = Annotated[
    Moment,
    PlainValidator(moment),
    WithJsonSchema({"type": "string", "examples": ["24h", "2026-01-31T12:00:00Z"]}),
]
