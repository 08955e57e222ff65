"""Places of series: so many and no more, the same ones on every replay."""

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_schemas.partition import series_id
from lumina_schemas.series import OTHER, KnownSeries
from lumina_schemas.span import Span
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import normalise
from lumina_streams.core.span.registry import HOUR_MS, KEPT_MS, NOTED_MS, SeriesRegistry
from streams.core.test_normalise import CALL, LANDING, request

PRICES = PriceBook()
NOW_MS = 1_764_000_000_000
DAY_MS = 24 * HOUR_MS


def admits(
    registry: SeriesRegistry, endpoint: str, at_ms: int, service: str = "shop", calls: bool = True
) -> bool:
    registry.begin(at_ms)
    return registry.admits("p", service, endpoint, series_id("p", service, endpoint), calls)


def spans_of(
    registry: SeriesRegistry | None, *spans: dict[str, Any], at_ms: int = NOW_MS, **more: Any
) -> list[Span]:
    if registry is not None:
        registry.begin(at_ms)
    return normalise(request(*spans, **more), LANDING, PRICES, registry=registry).spans


def test_what_finds_no_place_is_other_and_names_its_attribute() -> None:
    registry = SeriesRegistry(2)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"lumina.endpoint": "mine"}, "lumina.endpoint"),
        ({"gen_ai.prompt.name": "x"}, "gen_ai.prompt.name"),
        ({"langfuse.observation.prompt.name": "x"}, "langfuse.observation.prompt.name"),
        ({"traceloop.workflow.name": "x"}, "traceloop.workflow.name"),
        ({"gen_ai.operation.name": "text_completion"}, "gen_ai.operation.name"),
    ]
    assert {admits(registry, "a", NOW_MS), admits(registry, "b", NOW_MS)} == {True}
    for more, attribute in cases:
        (span,) = spans_of(
            registry, {"attributes": CALL | more}, resource={"service.name": "shop", "lumina.project": "p"}
        )
        assert (span.endpoint, span.endpoint_overflow, span.service) == (OTHER, attribute, "shop")
        assert span.series_id == series_id("p", "shop", OTHER)
    # The scope's own word for it, and the route of the root above.
    (span,) = spans_of(
        registry,
        {"attributes": CALL | {"agent_name": "planner"}, "scope": "pydantic-ai"},
        resource={"service.name": "shop", "lumina.project": "p"},
    )
    assert span.endpoint_overflow == "agent_name"
    root, call = b"\1" * 8, b"\3" * 8
    found = spans_of(
        registry,
        {"span_id": root, "kind": 2, "name": "POST", "attributes": {"http.route": "/answer"}},
        {"span_id": call, "parent": root, "attributes": CALL},
        resource={"service.name": "shop", "lumina.project": "p"},
    )
    assert {(span.endpoint, span.endpoint_overflow) for span in found} == {(OTHER, "http.route")}


def test_those_with_a_place_keep_it_and_say_nothing() -> None:
    registry = SeriesRegistry(1)
    for _ in range(2):
        (span,) = spans_of(registry, {"attributes": CALL})
        assert (span.endpoint, span.endpoint_overflow) == ("chat", "")
        (span,) = spans_of(registry, {"attributes": CALL | {"lumina.endpoint": "more"}})
        assert (span.endpoint, span.endpoint_overflow) == (OTHER, "lumina.endpoint")
    assert spans_of(None, {"attributes": CALL}) == spans_of(registry, {"attributes": CALL})


def test_services_without_end_are_joined_too() -> None:
    registry = SeriesRegistry(3)
    series = set()
    for number in range(50):
        (span,) = spans_of(registry, {"attributes": CALL}, resource={"service.name": f"pod-{number}"})
        series.add(span.series_id)
        if span.service == OTHER:
            assert (span.endpoint, span.endpoint_overflow) == (OTHER, "service.name")
            assert span.resource["service.name"] == f"pod-{number}"
    assert len(series) == 3 + 3 + 1  # with a place, the `other` of a service, the `other` of all


def test_a_place_that_nobody_used_for_a_week_is_free() -> None:
    registry = SeriesRegistry(1)
    assert admits(registry, "old", NOW_MS)
    assert not admits(registry, "new", NOW_MS + KEPT_MS - 1)
    assert admits(registry, "new", NOW_MS + KEPT_MS)
    assert not admits(registry, "old", NOW_MS + KEPT_MS)


def test_a_place_in_use_is_kept_for_ever_and_noted_now_and_then() -> None:
    registry = SeriesRegistry(1)
    notes = 0
    for hour in range(24 * 30):
        assert admits(registry, "mine", NOW_MS + hour * HOUR_MS)
        assert not admits(registry, "more", NOW_MS + hour * HOUR_MS)
        notes += len(registry.take_news())
    assert notes == 24 * 30 * HOUR_MS // NOTED_MS


def test_what_was_noted_has_its_place_in_the_next_process() -> None:
    first = SeriesRegistry(2)
    assert admits(first, "a", NOW_MS)
    assert admits(first, "b", NOW_MS + 1)
    second = SeriesRegistry(2)
    second.learn(first.take_news().items())
    assert not admits(second, "c", NOW_MS + 2)
    assert admits(second, "a", NOW_MS + 2)
    assert admits(second, "b", NOW_MS + 2)
    assert second.take_news() == {}


def test_a_lower_limit_takes_nobodys_place() -> None:
    first = SeriesRegistry(5)
    for number in range(5):
        assert admits(first, f"e{number}", NOW_MS)
    lower = SeriesRegistry(2)
    lower.learn(first.take_news().items())
    assert all(admits(lower, f"e{number}", NOW_MS) for number in range(5))
    assert not admits(lower, "e5", NOW_MS)


def test_active_series_are_those_with_calls_of_the_last_day() -> None:
    registry = SeriesRegistry(10)
    for number in range(4):
        assert admits(registry, f"e{number}", NOW_MS, calls=number != 0)
    assert admits(registry, OTHER, NOW_MS)
    registry.begin(NOW_MS + HOUR_MS)
    registry.admits("q", "shop", "e", series_id("q", "shop", "e"), True)
    assert registry.active(1000) == {"p": 4, "q": 1}
    assert registry.active(1) == {"p": 4}
    assert admits(registry, "e1", NOW_MS + 2 * DAY_MS)
    assert registry.active(1000) == {"p": 1}
    assert admits(registry, "e1", NOW_MS + 2 * DAY_MS)
    assert admits(registry, "e0", NOW_MS + 2 * DAY_MS, calls=True)
    assert registry.active(1000) == {"p": 2}


STEP = st.tuples(
    st.integers(0, 9), st.sampled_from([0, 0, 1, -1, -HOUR_MS, HOUR_MS, 30 * HOUR_MS, DAY_MS * 4])
)


@settings(max_examples=400)
@given(
    st.lists(STEP, min_size=1, max_size=60),
    st.integers(1, 5),
    st.data(),
)
def test_a_replay_decides_as_the_first_run_did(
    steps: list[tuple[int, int]], limit: int, data: st.DataObject
) -> None:
    """A log of endpoints, a crash at any place, and a replay from any place before it, by a new process that
    knows what was noted by then. What has left is decided as it was.
    """
    log = []
    at_ms = NOW_MS
    for number, gap in steps:
        at_ms += gap
        log.append((f"e{number}", at_ms))
    crash = data.draw(st.integers(1, len(log)))
    committed = data.draw(st.integers(0, crash - 1))
    while log[committed][1] <= log[crash - 1][1] - 7 * DAY_MS:
        committed += 1  # the log does not go back further
    first = SeriesRegistry(limit)
    topic: dict[str, KnownSeries] = {}
    decided = []
    for endpoint, at in log[:crash]:
        decided.append(admits(first, endpoint, at))
        topic |= first.take_news()
    again = SeriesRegistry(limit)
    again.learn(topic.items())
    replayed = [admits(again, endpoint, at) for endpoint, at in log[committed:crash]]
    differ = [
        (log[committed + n], before, now)
        for n, (before, now) in enumerate(zip(decided[committed:], replayed, strict=True))
        if before != now
    ]
    assert not differ


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5)), max_size=120), st.integers(1, 10))
def test_a_project_never_has_more_than_its_limit(keys: list[tuple[int, int]], limit: int) -> None:
    registry = SeriesRegistry(limit)
    used: dict[str, set[str]] = defaultdict(set)
    for number, service in keys:
        (span,) = spans_of(
            registry,
            {"attributes": CALL | {"lumina.endpoint": f"name {number}"}},
            resource={"service.name": f"s{service}", "lumina.project": f"p{service % 2}"},
        )
        if not span.endpoint_overflow:
            used[span.project].add(span.series_id)
        assert (span.endpoint == OTHER) == bool(span.endpoint_overflow)
    assert all(len(series) <= limit for series in used.values())
