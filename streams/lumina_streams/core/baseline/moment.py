"""Event time as people and records write it."""

from datetime import UTC, datetime, timedelta

LATEST_MS = 253_402_300_799_000  # end of the year 9999, the last that RFC 3339 can write

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_US = timedelta(microseconds=1)
_UNITS = ((3_600_000, "h"), (60_000, "min"), (1000, "s"))


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC; what lies after `LATEST_MS` becomes that."""
    at = datetime.fromtimestamp(min(ms, LATEST_MS) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(ms: int) -> str:
    """Hour and minute, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M")


def ms_of(at: datetime) -> int:
    """A time with its offset as milliseconds since 1970."""
    return (at - _BEGIN) // _MS


def ns_of(at: datetime) -> int:
    """A time with its offset as nanoseconds since 1970, exact to the microsecond."""
    return (at - _BEGIN) // _US * 1000


def duration(ms: int) -> str:
    """A length of time in its largest whole unit: `24 h`, `90 min`, `1.5 s`."""
    for size, unit in _UNITS:
        if ms >= size and ms % size == 0:
            return f"{ms // size} {unit}"
    return f"{ms / 1000:g} s"
