"""What an alert of a project says, in one plain sentence."""

from lumina_schemas.budget import Period
from lumina_streams.core.alert.plain import plain
from lumina_streams.core.alert.summary import PLACE_CHARS, SUMMARY_CHARS, figure, moment
from lumina_streams.core.project.period import end_ms, name_of, start_ms

WHOLE_PCT = 100


def money(usd: float) -> str:
    """An amount in cents; a smaller one with two significant digits."""
    return f"{usd:,.2f}" if usd >= 1 or usd == 0 else figure(usd)


def percent(part: float, whole: float) -> str:
    """A share in whole percent, never rounded up: 100% is all of it."""
    return f"{int(part * 100 / whole)}%"


def place_of(project: str, service: str) -> str:
    """A project, or a service of it, as one name."""
    return plain(f"{project}/{service}" if service else project, PLACE_CHARS)


def budget_summary(
    project: str, service: str, period: Period, number: int, spent: float, budget: float, now_ms: int
) -> str:
    """How much of a budget is spent, and when all of it will be at this pace. Amounts in USD."""
    share = percent(spent, budget)
    amounts = f"{money(spent)} of {money(budget)} USD ({share}) of its budget for {name_of(period, number)}"
    place = place_of(project, service)
    if now_ms >= end_ms(period, number):
        text = f"{place} spent {amounts}."
    elif spent >= budget:
        text = f"{place} has spent {amounts}: it is used up."
    else:
        text = f"{place} has spent {amounts}{_forecast(period, number, spent, budget, now_ms)}."
    return text[:SUMMARY_CHARS]


def trace_summary(project: str, number: int, traces: float, limit: float, level: int, now_ms: int) -> str:
    """How many traces of its limit a project has sent on a day, and what that means for detection."""
    place, day = place_of(project, ""), name_of("day", number)
    blind = "detection is blind for them until midnight UTC"
    if now_ms >= end_ms("day", number):
        text = (
            f"{place} came to {level}% of its limit of {limit:,.0f} traces on {day}. Since "
            "midnight UTC its traces are taken again."
        )
    elif level >= WHOLE_PCT:
        text = (
            f"{place} has reached its limit of {limit:,.0f} traces for {day}: further ones are "
            f"refused (429), and {blind}. To take more, raise LUMINA_DAILY_TRACE_LIMIT or the project's "
            "daily_trace_limit."
        )
    else:
        text = (
            f"{place} has sent {traces:,.0f} of {limit:,.0f} traces ({percent(traces, limit)}) that it may "
            f"send on {day}. Beyond them further ones are refused (429), and {blind}."
        )
    return text[:SUMMARY_CHARS]


def _forecast(period: Period, number: int, spent: float, budget: float, now_ms: int) -> str:
    """When the rest is spent, if calls go on as in the period so far."""
    begin = start_ms(period, number)
    if now_ms <= begin or spent <= 0:
        return ""
    at_ms = begin + round((now_ms - begin) * budget / spent)
    if at_ms >= end_ms(period, number):
        return ""
    return f"; at this pace all of it by {moment(at_ms, now_ms)}"
