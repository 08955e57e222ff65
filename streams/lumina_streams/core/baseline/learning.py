"""How far a baseline is, in words that alerts and `lumina baselines` share."""

HOUR_MIN = 60.0
DAY_MIN = 24 * HOUR_MIN


def learning(known: int, wanted: int, rate_per_min: float) -> str:
    """How far a baseline of so many calls is from what it needs: `learning (137/200, about 40 min)`."""
    minutes = minutes_left(known, wanted, rate_per_min)
    left = "no calls now" if minutes is None else f"about {length(minutes)}"
    return f"learning ({known}/{wanted}, {left})"


def minutes_left(known: int, wanted: int, rate_per_min: float) -> float | None:
    """Minutes until a baseline is ready at this rate of calls; None where there are none."""
    return max(wanted - known, 0) / rate_per_min if rate_per_min > 0 else None


def length(minutes: float) -> str:
    """About how long so many minutes are."""
    if minutes < 1.5:
        return "1 min"
    if minutes < 1.5 * HOUR_MIN:
        return f"{minutes:.0f} min"
    if minutes < 2 * DAY_MIN:
        return f"{minutes / HOUR_MIN:.0f} h"
    return f"{minutes / DAY_MIN:.0f} days"
