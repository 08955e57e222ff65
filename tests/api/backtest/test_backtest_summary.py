"""The summary: what is counted, what is one incident with what did fire, what people called false."""

from dataclasses import dataclass
from typing import Any

import msgspec

from api.views.span_lines import alert
from lumina_api.backtest.outcome import Outcome, lines
from lumina_api.backtest.summary import Raised, Tale, compared
from lumina_schemas.alert import Transition

HOUR_MS = 3_600_000
START_MS = 1_767_261_600_000


def raised(id: str, hour: float = 0, hours: float = 1, series: str = "a", **changes: Any) -> Raised:
    opened_ms = START_MS + int(hour * HOUR_MS)
    values: dict[str, Any] = {
        "kind": "cost_spike",
        "signals": frozenset(["cost_spike"]),
        "project": "shop",
        "service": "checkout",
        "endpoint": "answer",
        "series_id": series,
        "opened_ms": opened_ms,
        "ended_ms": opened_ms + int(hours * HOUR_MS),
        "summary": f"summary of {id}",
    }
    return Raised(id=id, **(values | changes))


def test_one_incident_is_one_whatever_its_id() -> None:
    then = [
        raised("one"),
        raised("two", 10),
        raised("three", 20, is_false=True),
        raised("four", 30, series="b"),
    ]
    now = [
        raised("one", 3),  # its id tells, wherever it begins
        raised("other", 10.5),
        raised("late", 22),
        raised("quality", 30, series="b", signals=frozenset(["quality_drop"])),
        raised("elsewhere", 20, series="c"),
    ]
    found = compared(now, then)
    assert (found.fired, found.same) == (4, 2)
    assert [one.id for one in found.only_now] == ["late", "quality", "elsewhere"]
    assert [one.id for one in found.only_then] == ["three", "four"]
    assert (found.marked_false, found.marked_false_now) == (1, 0)
    assert (found.precision_then, found.precision_now) == (0.75, 1.0)


def test_nothing_has_no_precision() -> None:
    found = compared([], [])
    assert (found.fired, found.same, found.precision_then, found.precision_now) == (0, 0, None, None)


def test_records_that_tell_nothing_new_are_no_transitions() -> None:
    tale = Tale()
    first = alert(1)
    opened = msgspec.structs.replace(first, history=(Transition("open", first.opened_at, "lumina"),))
    assert tale.take(opened)
    assert not tale.take(msgspec.structs.replace(opened, rev=2, summary="dearer still"))
    closed = (*opened.history, Transition("resolved", first.opened_at, "ada", "noise"))
    resolved = msgspec.structs.replace(
        opened, rev=3, state="resolved", reason="false", resolved_at=first.opened_at, history=closed
    )
    assert tale.take(resolved)
    (known,) = tale.raised.values()
    assert known.is_false
    assert known.summary == first.summary


@dataclass
class Ended:
    """As much of a trial as the summary reads."""

    calls: int = 10
    duplicates: int = 1
    failed: int = 0
    first_ms: int = START_MS
    last_ms: int = START_MS + 200 * HOUR_MS
    states: tuple[int, ...] = (1, 2)


def test_alerts_are_counted_by_kind_week_and_project_within_the_asked_time() -> None:
    written: list[bytes] = []
    outcome = Outcome(written.append, (START_MS, START_MS + 150 * HOUR_MS))
    for one in (
        raised("before", -1),
        raised("a"),
        raised("b", 24),
        raised("c", 100, kind="error_spike", project="bank"),
        raised("behind", 160),
    ):
        outcome.tale.raised[one.id] = one
    found = outcome.summary(Ended(), [raised("a", is_false=True)])  # type: ignore[arg-type]
    assert (found.calls, found.series, found.alerts, found.duplicates) == (10, 2, 3, 1)
    assert found.by_kind == {"cost_spike": 2, "error_spike": 1}
    assert found.by_project == {"bank": 1, "shop": 2}
    assert found.by_week == {"2026-W01": 2, "2026-W02": 1}
    told = "\n".join(lines(found))
    assert "10 calls of 2 series" in told
    assert "1 did fire: 1 of them now too, 0 only then, 2 only now." in told
    assert "summary of b" in told
    assert "precision 0% then, 0% now" in told
