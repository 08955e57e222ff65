"""Sums, held against plain Python over the same calls: raw, rolled up, and half of each."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from math import floor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from api.rest.conftest import Rest
from api.views.span_lines import NOON_NS, SECOND_NS, mixed_spans, score, span
from lumina_api.rest import series_models, sum_models
from lumina_api.rest.models import Answer
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.sums import STEPS_S
from lumina_api.views import rollup
from lumina_api.views.rollup import STEP_NS
from lumina_schemas.partition import series_id
from lumina_schemas.span import Span, SpanError
from lumina_schemas.views import part

HOURS = 6
SINCE_NS = NOON_NS - HOURS * 3600 * SECOND_NS + 17 * SECOND_NS  # no multiple of any step
UNTIL_NS = NOON_NS - 41 * SECOND_NS
TIME: dict[str, Any] = {"since": rfc3339(SINCE_NS)[:19] + "Z", "until": rfc3339(UNTIL_NS)[:19] + "Z"}


def world() -> tuple[list[Span], dict[str, tuple[float, str]]]:
    """Spans of eight hours, and the scores of some."""
    rng = random.Random(9)
    spans = []
    for each in mixed_spans(400, 5, NOON_NS):
        start_ns = NOON_NS - rng.randrange(8 * 3600) * SECOND_NS - rng.randrange(10**9)
        tags = rng.choice([(), (), ("beta",), ("beta", "ünï'%")])
        spans.append(
            replace(
                each,
                start_ns=start_ns,
                duration_ms=round(rng.lognormvariate(6, 2), 3),
                ttft_ms=round(rng.lognormvariate(4, 1), 3) if rng.random() < 0.6 else None,
                environment=rng.choice(["", "production"]),
                prompt_name=rng.choice(["", "greet"]),
                prompt_version=rng.choice(["", "1", "2"]),
                user_id=rng.choice(["u1", "u2", "u'3"]),
                session_id=rng.choice(["", "s1"]),
                tags=tags,
                sample_rate=rng.choice([None, None, 0.25]),
                cache_read_tokens=rng.choice([None, 40]),
                reasoning_tokens=rng.choice([None, 3]),
                error=SpanError(rng.choice(["Timeout", "RateLimitError"]), "slow")
                if each.status == "error"
                else None,
            )
        )
    scores = {
        each.span_id: (round(rng.random(), 4), rng.choice(["", "refusal", "loop"]))
        for each in spans
        if each.priced and rng.random() < 0.7
    }
    return spans, scores


SPANS, SCORES = world()
CALLS = [each for each in SPANS if each.priced]
INSIDE = [
    each
    for each in CALLS
    if SINCE_NS // SECOND_NS * SECOND_NS <= each.start_ns < UNTIL_NS // SECOND_NS * SECOND_NS
]


@pytest.fixture(scope="module", params=["raw", "half rolled", "rolled"])
def rest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """The world in views of which nothing, some or all is rolled up."""
    running = Rest(tmp_path_factory.mktemp("sums") / "views.duckdb")
    running.apply(running.log.spans(SPANS))
    scored = [
        score(each, SCORES[each.span_id][0], quality_reason=SCORES[each.span_id][1])
        for each in SPANS
        if each.span_id in SCORES
    ]
    running.apply(running.log.scores(scored))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollup, "QUIET_S", 0.0)
        rolled = 0
        while request.param != "raw" and running.store.roll_up():
            rolled += 1
            if request.param == "half rolled" and rolled % 3 == 0:  # change a bucket that was rolled
                late = span(9000 + rolled, project="late", start_ns=NOON_NS - rolled * STEP_NS)
                running.apply(running.log.spans([late]))
                running.apply(running.log.erasure(f"late-{rolled}", "late", NOON_NS))
                if rolled > 30:
                    break
    yield running
    running.store.close()


GROUPS: dict[str, Callable[[Span], list[str]]] = {
    "project": lambda call: [call.project],
    "service": lambda call: [call.service],
    "endpoint": lambda call: [call.endpoint],
    "environment": lambda call: [call.environment],
    "provider": lambda call: [call.provider],
    "model": lambda call: [call.response_model or call.request_model],
    "prompt_name": lambda call: [call.prompt_name],
    "prompt_version": lambda call: [call.prompt_version],
    "user_id": lambda call: [call.user_id],
    "session_id": lambda call: [call.session_id],
    "tag": lambda call: list(call.tags) or [""],
}
FILTERS: dict[str, tuple[Any, Callable[[Span], bool]]] = {
    "project": ("shop", lambda call: call.project == "shop"),
    "service": (["web", "bot"], lambda call: call.service in ("web", "bot")),
    "model": ("gpt-4o", lambda call: "gpt-4o" in (call.request_model, call.response_model)),
    "status": ("error", lambda call: call.status == "error"),
    "environment": ("", lambda call: call.environment == ""),
    "prompt_version": (["", "2"], lambda call: call.prompt_version in ("", "2")),
    "user_id": ("u'3", lambda call: call.user_id == "u'3"),
    "tag": ("beta", lambda call: "beta" in call.tags),
    "max_quality": (0.5, lambda call: call.span_id in SCORES and SCORES[call.span_id][0] <= 0.5),
    "min_cost": (0.003, lambda call: call.cost_usd is not None and call.cost_usd >= 0.003),
}


def weight(call: Span) -> float:
    """How many calls it stands for."""
    return 1 / (call.sample_rate or 1.0)


def total(calls: Iterable[Span], of: Callable[[Span], float | None] = lambda call: 1.0) -> float:
    """A sum over the calls that these stand for."""
    return sum(weight(call) * (of(call) or 0) for call in calls)


def cost(calls: Iterable[Span]) -> float:
    return total(calls, lambda call: call.cost_usd)


def sums_of(calls: list[Span]) -> dict[str, Any]:
    known = [call for call in calls if call.cost_usd is not None]
    count = total(calls)
    return {
        "calls": count,
        "cost_usd": pytest.approx(cost(known)) if known else None,
        "coverage": pytest.approx(total(known) / count) if calls else None,
        "priced_calls": total(known),
        "unknown_calls": count - total(known),
        "estimated_calls": 0,
        "errors": total(call for call in calls if call.status == "error"),
        "input_tokens": total(calls, lambda call: call.input_tokens),
        "cache_read_tokens": total(calls, lambda call: call.cache_read_tokens),
        "cache_write_tokens": 0,
        "output_tokens": total(calls, lambda call: call.output_tokens),
        "reasoning_tokens": total(calls, lambda call: call.reasoning_tokens),
        "seen_calls": len(calls),
        "sampling": f"estimated from {len(calls) / count * 100:.3g} % sampled"
        if any(call.sample_rate for call in calls)
        else None,
    }


def grouped(calls: list[Span], groups: list[str]) -> dict[tuple[str, ...], list[Span]]:
    found: dict[tuple[str, ...], list[Span]] = defaultdict(list)
    for call in calls:
        keys: list[tuple[str, ...]] = [()]
        for group in groups:
            keys = [(*key, value) for key in keys for value in GROUPS[group](call)]
        for key in keys:
            found[key].append(call)
    return found


def without(item: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in (*GROUPS, *names)}


ASKED = st.lists(st.sampled_from(sorted(FILTERS)), max_size=2, unique=True)


@given(asked=ASKED, groups=st.lists(st.sampled_from(sorted(GROUPS)), unique=True, min_size=1, max_size=3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_costs_by_group_are_the_sums_of_their_calls(rest: Rest, asked: list[str], groups: list[str]) -> None:
    given_ = {name: FILTERS[name][0] for name in asked}
    calls = [call for call in INSIDE if all(FILTERS[name][1](call) for name in asked)]
    answer = rest.get("/api/v1/costs/breakdown", group_by=",".join(groups), limit=1000, **TIME, **given_)
    assert answer["totals"] == sums_of(calls)
    expected = grouped(calls, answer["group_by"])
    found = {tuple(item[group] for group in answer["group_by"]): item for item in answer["items"]}
    assert set(found) == set(expected)
    whole = cost(calls)
    for key, item in found.items():
        assert without(item, "share") == sums_of(expected[key])
        assert (item["share"] or 0) == pytest.approx(cost(expected[key]) / whole if whole else 0)
    costs = [-1 if item["cost_usd"] is None else item["cost_usd"] for item in answer["items"]]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "1h", "6h", "1d"])
@pytest.mark.parametrize("groups", [[], ["model"], ["tag", "user_id"]], ids=str)
def test_costs_over_time_are_the_sums_of_their_steps(rest: Rest, interval: str, groups: list[str]) -> None:
    answer = rest.get("/api/v1/costs/timeline", group_by=groups, interval=interval, limit=100, **TIME)
    step_ns = STEPS_S[interval] * SECOND_NS  # type: ignore[index]
    expected = grouped(INSIDE, answer["group_by"])
    assert len(answer["items"]) == len(expected)
    for item in answer["items"]:
        steps: dict[int, list[Span]] = defaultdict(list)
        for call in expected[tuple(item[group] for group in answer["group_by"])]:
            steps[call.start_ns // step_ns * step_ns].append(call)
        assert [step["start_ns"] for step in item["timeline"]] == sorted(steps)
        for step in item["timeline"]:
            assert without(step, "start", "start_ns") == sums_of(steps[step["start_ns"]])
            assert step["start"] == rfc3339(step["start_ns"])


def test_a_timeline_chooses_steps_that_suit_its_time(rest: Rest) -> None:
    assert rest.get("/api/v1/costs/timeline", **TIME)["interval"] == "5m"
    assert rest.get("/api/v1/costs/timeline", since="10m")["interval"] == "1m"
    assert rest.get("/api/v1/costs/timeline", since="30d")["interval"] == "6h"


def test_limit_keeps_the_largest_groups(rest: Rest) -> None:
    every = rest.items("costs/breakdown", group_by="model", **TIME)
    assert rest.items("costs/breakdown", group_by="model", limit=2, **TIME) == every[:2]
    lines = rest.items("costs/timeline", group_by="model", limit=2, **TIME)
    assert [line["model"] for line in lines] == [item["model"] for item in every[:2]]


def quantile(values: list[tuple[float, float]], share: float) -> float:
    """The least of (value, weight) that a share of the whole weight does not exceed."""
    upto, whole = 0.0, sum(each for _, each in values)
    for value, each in sorted(values):
        upto += each
        if upto >= share * whole - 1e-9:
            return value
    raise AssertionError


def near(values: list[tuple[float, float]], share: float) -> Any:
    """The same, within 1 %."""
    return pytest.approx(quantile(values, share), rel=0.01)


def of(calls: Iterable[Span], name: str) -> list[tuple[float, float]]:
    """A field of the calls that have it, with what they stand for."""
    found = [(getattr(call, name), weight(call)) for call in calls]
    return [(value, each) for value, each in found if value is not None]


@given(asked=ASKED, groups=st.lists(st.sampled_from(sorted(GROUPS)), unique=True, max_size=2))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_percentiles_of_latency_are_within_one_percent(
    rest: Rest, asked: list[str], groups: list[str]
) -> None:
    given_ = {name: FILTERS[name][0] for name in asked}
    inside = [call for call in INSIDE if all(FILTERS[name][1](call) for name in asked)]
    answer = rest.get("/api/v1/latency/breakdown", group_by=groups or "project", limit=1000, **TIME, **given_)
    by = answer["group_by"]
    expected = grouped(inside, by)
    assert {tuple(item[group] for group in by) for item in answer["items"]} == set(expected)
    for item, calls in [
        *([(answer["totals"], inside)] if inside else []),
        *((item, expected[tuple(item[group] for group in by)]) for item in answer["items"]),
    ]:
        durations, ttft = of(calls, "duration_ms"), of(calls, "ttft_ms")
        told = total(call for call in calls if call.ttft_ms is not None)
        assert (item["calls"], item["ttft_calls"]) == (total(calls), told)
        for q in (50, 95, 99):
            assert item[f"p{q}_ms"] == near(durations, q / 100)
            assert item[f"ttft_p{q}_ms"] == (near(ttft, q / 100) if ttft else None)
    slowest = [item["p95_ms"] for item in answer["items"]]
    assert slowest == sorted(slowest, reverse=True)


def test_latency_over_time_is_that_of_each_step(rest: Rest) -> None:
    answer = rest.get("/api/v1/latency/timeline", group_by="service", interval="1h", **TIME)
    for item in answer["items"]:
        steps: dict[int, list[Span]] = defaultdict(list)
        for call in INSIDE:
            if call.service == item["service"]:
                steps[call.start_ns // (3600 * SECOND_NS) * 3600 * SECOND_NS].append(call)
        assert [step["start_ns"] for step in item["timeline"]] == sorted(steps)
        for step in item["timeline"]:
            assert step["calls"] == total(steps[step["start_ns"]])
            assert step["p95_ms"] == near(of(steps[step["start_ns"]], "duration_ms"), 0.95)


def qualities_of(calls: list[Span]) -> dict[str, Any]:
    judged = [call for call in calls if call.span_id in SCORES]
    scores = [(SCORES[call.span_id][0], weight(call)) for call in judged]
    bins = [(floor(value * 100 + 1e-6) / 100, each) for value, each in scores]
    count = total(judged)
    return {
        "calls": total(calls),
        "judged_calls": count,
        "mean": pytest.approx(sum(value * each for value, each in scores) / count) if judged else None,
        "p10": pytest.approx(quantile(bins, 0.1)) if judged else None,
        "p50": pytest.approx(quantile(bins, 0.5)) if judged else None,
        "low_share": pytest.approx(sum(each for value, each in scores if value < 0.7) / count)
        if judged
        else None,
    }


@pytest.mark.parametrize("groups", [["project"], ["model", "user_id"], ["tag"]], ids=str)
def test_quality_is_that_of_the_judged_calls(rest: Rest, groups: list[str]) -> None:
    answer = rest.get("/api/v1/quality/breakdown", group_by=groups, limit=1000, **TIME)
    assert answer["quality_min"] == 0.7
    assert answer["totals"] == qualities_of(INSIDE)
    expected = grouped(INSIDE, answer["group_by"])
    found = {tuple(item[group] for group in answer["group_by"]): item for item in answer["items"]}
    assert set(found) == set(expected)
    for key, item in found.items():
        assert without(item) == qualities_of(expected[key])


def test_quality_by_reason_counts_each_call_once(rest: Rest) -> None:
    answer = rest.get("/api/v1/quality/breakdown", group_by="quality_reason", **TIME)
    counts: dict[str, float] = defaultdict(float)
    for call in INSIDE:
        counts[SCORES[call.span_id][1] if call.span_id in SCORES else "not judged"] += weight(call)
    assert {item["quality_reason"]: item["calls"] for item in answer["items"]} == counts


def test_quality_over_time_is_that_of_each_step(rest: Rest) -> None:
    (line,) = rest.get("/api/v1/quality/timeline", interval="1h", **TIME)["items"]
    steps: dict[int, list[Span]] = defaultdict(list)
    for call in INSIDE:
        steps[call.start_ns // (3600 * SECOND_NS) * 3600 * SECOND_NS].append(call)
    assert {step["start_ns"]: without(step, "start", "start_ns") for step in line["timeline"]} == {
        start: qualities_of(calls) for start, calls in steps.items()
    }


def test_errors_are_counted_by_type_and_over_time(rest: Rest) -> None:
    answer = rest.get("/api/v1/errors", group_by="model", limit=1000, **TIME)
    failed = [call for call in INSIDE if call.status == "error"]
    assert (answer["calls"], answer["errors"]) == (total(INSIDE), total(failed))
    assert answer["share"] == total(failed) / total(INSIDE)
    kinds: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for call in failed:
        assert call.error is not None
        kinds[call.response_model or call.request_model, call.error.type].append(call)
    assert {(item["model"], item["error"]): item["errors"] for item in answer["items"]} == {
        key: total(calls) for key, calls in kinds.items()
    }
    for item in answer["items"]:
        calls = sorted(kinds[item["model"], item["error"]], key=lambda call: (call.start_ns, call.span_id))
        assert (item["first"], item["last"]) == (rfc3339(calls[0].start_ns), rfc3339(calls[-1].start_ns))
        assert set(item["trace_ids"]) <= {call.trace_id for call in calls}
        assert item["message"] == "slow"
    assert sum(step["errors"] for step in answer["timeline"]) == total(failed)


def test_the_change_of_cost_adds_up(rest: Rest) -> None:
    answer = rest.get("/api/v1/costs/summary", since="2026-01-01T10:00:00Z", until="2026-01-01T12:00:00Z")
    change = answer["change"]
    assert change["usd"] == pytest.approx(
        (answer["totals"]["cost_usd"] or 0) - (answer["before"]["cost_usd"] or 0), abs=1e-9
    )
    parts = sum(value for name, value in change.items() if name != "usd")
    assert parts == pytest.approx(change["usd"], abs=1e-9)
    assert answer["before"]["until"] == answer["since"]


def test_more_of_the_same_calls_is_volume_and_another_model_is_mix(tmp_path: Path) -> None:
    rest = Rest(tmp_path / "views.duckdb")
    hour = 3600 * SECOND_NS
    calls = [span(n, start_ns=NOON_NS - 2 * hour + n, cost_usd=0.001) for n in range(50)]
    more = [span(100 + n, start_ns=NOON_NS - hour + n, cost_usd=0.001) for n in range(100)]
    rest.apply(rest.log.spans([replace(call, input_tokens=100) for call in calls + more]))
    asked: dict[str, Any] = {"since": "2026-01-01T11:00:00Z", "until": "2026-01-01T12:00:00Z"}
    change = rest.get("/api/v1/costs/summary", **asked)["change"]
    assert change["usd"] == pytest.approx(0.05)
    assert change["volume"] == pytest.approx(0.05)
    assert change["price"] == pytest.approx(0, abs=1e-9)
    rest.store.close()


def test_cached_prompts_save_what_their_full_price_is_above_the_cached_one(tmp_path: Path) -> None:
    rest = Rest(tmp_path / "views.duckdb")
    call = span(0, request_model="gpt-4o", response_model="gpt-4o", input_tokens=1000, cache_read_tokens=800)
    rest.apply(rest.log.spans([call]))
    saved = rest.get("/api/v1/costs/summary", since="2026-01-01T00:00:00Z")["cache_savings_usd"]
    assert saved == pytest.approx(800 * (2.50 - 1.25) / 1e6)  # gpt-4o: 2.50 USD a million, 1.25 cached
    rest.store.close()


def test_nothing_sums_up_to_nothing(rest: Rest) -> None:
    asked = {"project": "nobody", **TIME}
    totals = rest.get("/api/v1/costs/breakdown", **asked)["totals"]
    assert (totals["calls"], totals["cost_usd"], totals["coverage"]) == (0, None, None)
    latency = rest.get("/api/v1/latency/breakdown", **asked)
    assert (latency["totals"]["calls"], latency["totals"]["p95_ms"], latency["items"]) == (0, None, [])
    quality = rest.get("/api/v1/quality/breakdown", **asked)["totals"]
    assert (quality["judged_calls"], quality["mean"], quality["low_share"]) == (0, None, None)
    assert rest.get("/api/v1/errors", **asked)["share"] is None
    summary = rest.get("/api/v1/costs/summary", **asked)
    assert summary["change"]["usd"] == 0
    assert summary["cache_savings_usd"] is None
    assert rest.items("costs/timeline", **asked)[0]["timeline"] == []


@pytest.mark.parametrize("by", ["call", "trace", "user_id", "tag"])
def test_the_dearest_come_first_with_their_share(rest: Rest, by: str) -> None:
    answer = rest.get("/api/v1/costs/top", by=by, limit=5, **TIME)
    costs = [item[by]["cost_usd"] for item in answer["items"]]
    assert costs == sorted(costs, reverse=True)
    for item in answer["items"]:
        assert item["share"] == pytest.approx(item[by]["cost_usd"] / answer["totals"]["cost_usd"])
    if by == "trace":
        traces: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for call in INSIDE:
            traces[call.project, call.trace_id].append(call)
        assert costs == pytest.approx(sorted(map(cost, traces.values()), reverse=True)[:5])
        for item in answer["items"]:
            trace = item["trace"]
            calls = traces[trace["project"], trace["trace_id"]]
            assert without(trace, "trace_id", "start", "start_ns") == sums_of(calls)
            assert trace["start_ns"] == min(call.start_ns for call in calls)
    if by == "call":
        dearest = sorted((call.cost_usd or 0 for call in INSIDE), reverse=True)
        assert costs == pytest.approx(dearest[:5])


MEASURES: dict[str, Callable[[Span], float | None]] = {
    "cost_usd": lambda call: call.cost_usd,
    "latency_ms": lambda call: call.duration_ms,
    "tokens": lambda call: (
        (call.input_tokens or 0) + (call.output_tokens or 0)
        if call.input_tokens is not None or call.output_tokens is not None
        else None
    ),
}


def band_of(own: list[Span], before: list[Span], measure: Callable[[Span], float | None]) -> dict[str, Any]:
    now = [(value, weight(call)) for call in own if (value := measure(call)) is not None]
    then = [(value, weight(call)) for call in before if (value := measure(call)) is not None]
    shares = {"p10": 0.1, "p50": 0.5, "p95": 0.95}
    return {
        "calls": sum(each for _, each in now),
        **{name: near(now, share) if now else None for name, share in shares.items()},
        "usual_calls": sum(each for _, each in then) if now else 0,
        **{f"usual_{name}": near(then, shares[name]) if now and then else None for name in ("p50", "p95")},
    }


@pytest.mark.parametrize("interval", ["15m", "1h", "6h"])
def test_a_series_shows_its_calls_beside_what_was_usual(rest: Rest, interval: str) -> None:
    identity = series_id("shop", "web", "answer")
    calls = [call for call in CALLS if call.series_id == identity]
    own = [call for call in calls if call in INSIDE]
    answer = rest.get(f"/api/v1/series/{identity}", interval=interval, **TIME)
    assert (answer["project"], answer["service"], answer["endpoint"]) == ("shop", "web", "answer")
    assert answer["calls"] == total(own)
    assert answer["baseline"] is None
    assert "Kafka" in answer["baseline_missing"]
    step_ns = STEPS_S[interval] * SECOND_NS  # type: ignore[index]
    starts = {call.start_ns // step_ns * step_ns for call in own}
    assert [step["start_ns"] for step in answer["timeline"]] == sorted(starts)
    for step in answer["timeline"]:
        inside = [call for call in own if call.start_ns // step_ns * step_ns == step["start_ns"]]
        before = [call for call in calls if call.start_ns < step["start_ns"]]
        for name, measure in MEASURES.items():
            assert step[name] == band_of(inside, before, measure)
        expected = qualities_of(inside)
        assert (step["judged_calls"], step["quality"]) == (expected["judged_calls"], expected["mean"])
    assert any(step["latency_ms"]["usual_calls"] for step in answer["timeline"])


def test_a_series_that_is_not_there_is_unknown(rest: Rest) -> None:
    assert "/api/v1/series" in rest.get("/api/v1/series/0123456789abcdef", expect=404)["detail"]
    rest.get("/api/v1/series/nonsense", expect=422)


def test_a_version_is_one_of_a_prompt(rest: Rest) -> None:
    answer = rest.get("/api/v1/costs/breakdown", group_by="prompt_version", limit=100, **TIME)
    assert answer["group_by"] == ["prompt_name", "prompt_version"]
    expected = {(call.prompt_name, call.prompt_version) for call in INSIDE}
    assert {(item["prompt_name"], item["prompt_version"]) for item in answer["items"]} == expected
    top = rest.get("/api/v1/costs/top", by="prompt_version", limit=100, **TIME)["items"]
    versions = [item["prompt_version"] for item in top]
    assert {(version["prompt_name"], version["value"]) for version in versions} == expected
    three = rest.get("/api/v1/costs/breakdown", group_by="prompt_version,model,project", **TIME)
    assert len(three["group_by"]) == 4


def test_errors_over_time_are_those_of_each_step(rest: Rest) -> None:
    answer = rest.get("/api/v1/errors", interval="1h", **TIME)
    assert answer["interval"] == "1h"
    hour = 3600 * SECOND_NS
    steps: dict[int, list[Span]] = defaultdict(list)
    for call in INSIDE:
        steps[call.start_ns // hour * hour].append(call)
    assert {step["start_ns"]: (step["calls"], step["errors"]) for step in answer["timeline"]} == {
        start: (total(calls), total(call for call in calls if call.status == "error"))
        for start, calls in steps.items()
    }


def test_a_tag_that_a_call_has_twice_counts_once(tmp_path: Path) -> None:
    rest = Rest(tmp_path / "views.duckdb")
    rest.apply(rest.log.spans([span(0, tags=("beta", "beta", "new"))]))
    items = rest.items("costs/breakdown", group_by="tag", since="2026-01-01T00:00:00Z")
    assert {item["tag"]: item["calls"] for item in items} == {"beta": 1, "new": 1}
    rest.store.close()


def test_nothing_is_shown_as_nothing(tmp_path: Path) -> None:
    """Not as the middle of the lowest bin."""
    rest = Rest(tmp_path / "views.duckdb")
    rest.apply(rest.log.spans([span(0, duration_ms=0.0, cost_usd=0.0, input_tokens=0, output_tokens=0)]))
    (step,) = rest.get(f"/api/v1/series/{span(0).series_id}", since="2026-01-01T00:00:00Z")["timeline"]
    assert [step[measure]["p50"] for measure in MEASURES] == [0, 0, 0]
    rest.store.close()


@given(st.floats(2e-5, 1e24))
@settings(max_examples=200)
def test_a_bin_is_within_one_percent_of_what_lies_in_it(value: float) -> None:
    with connection() as cursor:
        ((shown,),) = cursor.execute("SELECT ms_of(bin_of($value))", {"value": value}).fetchall()
    assert shown == pytest.approx(value, rel=0.01)


@lru_cache(maxsize=1)
def _macros() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute(part("schema"))
    return made


def connection() -> duckdb.DuckDBPyConnection:
    """The views' macros, without a file."""
    return _macros().cursor()


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("costs/breakdown?group_by=user", "'user' is none of project"),
        ("costs/breakdown?group_by=project,service,model,tag", "more than 3"),
        ("costs/timeline?interval=2h", "interval"),
        ("costs/timeline?interval=1m&since=700d", "more than one answer holds"),
        ("latency/breakdown?group_by=quality_reason", "is none of"),
        ("costs/top?by=nothing", "by"),
        ("errors?surprise=1", "surprise"),
    ],
)
def test_what_cannot_be_summed_is_refused_in_words(rest: Rest, path: str, says: str) -> None:
    assert says in rest.get(f"/api/v1/{path}", expect=422)["detail"]


def test_examples_are_what_their_models_say() -> None:
    shown = 0
    known = [*vars(sum_models).values(), *vars(series_models).values()]
    for model in {one for one in known if isinstance(one, type)}:
        if issubclass(model, Answer) and "_models" in model.__module__:
            examples = model.model_json_schema().get("examples", [])
            for example in examples:
                model.model_validate(example)
            shown += len(examples)
    assert shown >= 6
