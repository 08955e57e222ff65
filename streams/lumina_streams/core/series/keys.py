"""Keys of detect's table: what lies under which name, in the table and in its changelog."""

HOT = b"h|"


def hot_key(series_id: str) -> bytes:
    """Table key of what changes with every run."""
    return HOT + series_id.encode()


def cold_key(series_id: str, version: int) -> bytes:
    """Table key of a cold version. Two slots, used in turn: writing version k + 1 leaves version k as it was,
    so that after a crash before the hot value follows, what the old hot value names is still there.
    """
    return f"c|{series_id}|{version % 2}".encode()


def clock_key(number: int) -> bytes:
    """Table key of what ticks have told a partition: its clock, the active series of the projects."""
    return b"p|%d" % number


def rules_key(number: int) -> bytes:
    """Table key of a partition's rules and marks, a key of its own: the clock is written all the time."""
    return b"r|%d" % number
