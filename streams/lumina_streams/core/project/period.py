"""Days and months of UTC as numbers: days since 1970, months since January of the year 0."""

from datetime import date

from lumina_schemas.budget import Period

DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()


def day_of(at_ms: int) -> int:
    """The day in which a time lies."""
    return at_ms // DAY_MS


def number_of(period: Period, day: int) -> int:
    """The period's number that a day belongs to."""
    if period == "day":
        return day
    at = date.fromordinal(_EPOCH + day)
    return at.year * 12 + at.month - 1


def start_ms(period: Period, number: int) -> int:
    """When a period begins."""
    if period == "day":
        return number * DAY_MS
    year, month = divmod(number, 12)
    return (date(year, month + 1, 1).toordinal() - _EPOCH) * DAY_MS


def end_ms(period: Period, number: int) -> int:
    """When it is over: the beginning of the next one."""
    return start_ms(period, number + 1)


def name_of(period: Period, number: int) -> str:
    """As people write it: `2026-01-31`, `2026-01`."""
    if period == "day":
        return date.fromordinal(_EPOCH + number).isoformat()
    year, month = divmod(number, 12)
    return f"{year:04}-{month + 1:02}"
