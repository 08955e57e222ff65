"""Event time as people and records write it."""

from datetime import UTC, datetime

LATEST_MS = 253_402_300_799_000  # end of the year 9999, the last that RFC 3339 can write


def rfc3339(ms: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(ms: int) -> str:
    """Hour and minute, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M")
