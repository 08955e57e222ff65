"""What an alert shows: cause, parts, what changed, money, links, severity. From calls to the record."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from lumina_schemas.alert import SCHEMA_VERSION, Alert, Baseline, Cause, Signal, SignalKind
from lumina_streams.core.alert.evidence import Evidence, apply, gather
from lumina_streams.core.alert.kind import LEADING, kind_of, severity_of
from lumina_streams.core.baseline.excursion import Excursion, Exhibit
from lumina_streams.core.baseline.habit import Habit
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.series.call import Call, CallError
from lumina_streams.core.series.rules import Rules

RATE = 10.0  # calls a minute, as `Traffic` has them
MINI, BIG = 0.15e-6, 2.5e-6  # USD per input token; an output token costs four times as much


class Marked(NamedTuple):
    at_ms: int
    text: str
    expected: bool = False
    by: str = "ada"


def at_ms(call: Call) -> int:
    return call.start_ns // 1_000_000 + int(call.duration_ms)


def priced(call: Call, price: float = MINI, cached: float = 0.0) -> dict[str, Any]:
    """Cost and cached tokens by a price list."""
    sent, answered = call.input_tokens or 0, call.output_tokens or 0
    hits = int(cached * sent)
    return {
        "cost_usd": price * (sent - hits + 0.1 * hits + 4 * answered),
        "cache_read_tokens": hits,
    }


class Scene:
    """Calls before and since, counted as the fold and a lane count them."""

    def __init__(self, traffic: Any) -> None:
        self.traffic = traffic
        self.habit = Habit()
        self.excursion: Excursion | None = None
        self.since_ms = 0

    def _call(self, price: float | None, cached: float, fields: dict[str, Any]) -> Call:
        call: Call = self.traffic.call(**fields)
        if price is None:
            return self.remade(call, {"cost_usd": None, "priced": True})
        return self.remade(call, priced(call, price, cached))

    def remade(self, call: Call, fields: dict[str, Any]) -> Call:
        return Call(**{name: getattr(call, name) for name in Call.__struct_fields__} | fields)

    def before(self, n: int = 300, price: float | None = MINI, cached: float = 0.0, **fields: Any) -> "Scene":
        for _ in range(n):
            call = self._call(price, cached, fields)
            self.habit.add(
                call.request_model,
                call.prompt_version,
                call.release,
                call.cost_usd,
                call.input_tokens,
                call.cache_read_tokens,
                call.output_tokens,
                call.status == "error",
            )
        return self

    def since(self, n: int = 60, price: float | None = MINI, cached: float = 0.0, **fields: Any) -> "Scene":
        for _ in range(n):
            call = self._call(price, cached, fields)
            self.since_ms = self.since_ms or at_ms(call)
            if self.excursion is None:
                self.excursion = Excursion(self.since_ms)
            self.excursion.add(call, at_ms(call), 0.0, call.cost_usd)
            self.excursion.show_dear(Exhibit(at_ms(call), call.trace_id, call.span_id, call.cost_usd, None))
        return self

    def evidence(self, *kinds: SignalKind, marks: Iterable[Marked] = (), rate: float = RATE) -> Evidence:
        now_ms = self.excursion.last_ms if self.excursion else 0
        signals = tuple(signal(kind, self.since_ms) for kind in kinds)
        bad = self.excursion if "quality_drop" in kinds else None
        return gather(signals, self.excursion, bad, self.habit, rate, self.since_ms, now_ms, tuple(marks))

    def cause(self, *kinds: SignalKind, **more: Any) -> tuple[str, str, str] | None:
        cause = self.evidence(*kinds, **more).cause
        return None if cause is None else (cause.what, cause.from_, cause.to)


def signal(kind: SignalKind, since_ms: int = 0, ratio: float = 2.0) -> Signal:
    return Signal(kind, 2.0, Baseline(1.0, 2.0, 300, "24h"), ratio, 1.1, 60, rfc3339(since_ms))


@pytest.fixture
def scene(make_traffic: Any) -> Scene:
    return Scene(make_traffic(content=False))


def alert(**fields: Any) -> Alert:
    values: dict[str, Any] = {
        "v": SCHEMA_VERSION,
        "rev": 3,
        "id": "5f0d",
        "kind": "cost_spike",
        "state": "acknowledged",
        "severity": "warning",
        "project": "demo",
        "service": "checkout",
        "endpoint": "answer",
        "series_id": "ab" * 8,
        "summary": "",
        "opened_at": "2026-01-01T10:00:00Z",
        "updated_at": "2026-01-01T10:00:00Z",
        "detected_at": "2026-01-01T10:00:00Z",
        "signals": (),
    }
    return Alert(**values | fields)


def parts(evidence: Evidence) -> dict[str, float]:
    return {part.what: part.usd_per_h for part in evidence.cost_split}


# the cause


def test_a_model_switch_is_the_cause_and_the_model_mix(scene: Scene) -> None:
    evidence = scene.before().since(price=BIG, request_model="gpt-4o").evidence("cost_spike")
    assert evidence.cause == Cause("request_model", "gpt-4o-mini", "gpt-4o", 1.0)
    split = parts(evidence)
    assert max(split, key=lambda what: split[what]) == "model_mix"
    (changed,) = evidence.changed_attributes
    assert (changed.what, changed.from_, changed.to) == ("request_model", "gpt-4o-mini", "gpt-4o")
    assert (changed.share_before, changed.share) == (0.0, 1.0)


def test_a_canary_that_makes_the_cost_is_the_cause_on_its_share(scene: Scene) -> None:
    scene.before()
    for _ in range(6):
        scene.since(1, price=BIG, request_model="gpt-4o").since(9)
    evidence = scene.evidence("cost_spike")
    assert evidence.cause == Cause("request_model", "gpt-4o-mini", "gpt-4o", 0.1)
    assert evidence.changed_attributes == ()  # it does not separate new from old


def test_calls_before_the_switch_do_not_thin_its_share(scene: Scene) -> None:
    """A deviation may begin, by chance, a few calls earlier than its cause."""
    old: dict[str, Any] = {"release": "1"}
    new: dict[str, Any] = {"release": "2", "request_model": "gpt-4o"}
    scene.before(**old).since(6, **old).since(14, price=BIG, **new)
    evidence = scene.evidence("cost_spike")
    assert evidence.cause == Cause("request_model", "gpt-4o-mini", "gpt-4o", 1.0)
    assert [entry.share for entry in evidence.changed_attributes] == [1.0, 1.0]


def test_a_new_name_of_a_model_at_the_old_price_is_not_why_prompts_cost_more(scene: Scene) -> None:
    scene.before(input_tokens=1000).since(request_model="gpt-4o-mini-2026", input_tokens=6000)
    assert scene.cause("cost_spike") == ("input_tokens", "1000", "6000")


@pytest.mark.parametrize(("field", "what"), [("prompt_version", "prompt_version"), ("release", "release")])
def test_a_version_comes_before_the_tokens_that_it_sends(scene: Scene, field: str, what: str) -> None:
    old: dict[str, Any] = {field: "7"}
    new: dict[str, Any] = {field: "8", "input_tokens": 6000}
    scene.before(**old).since(**new)
    assert scene.cause("cost_spike") == (what, "7", "8")
    assert parts(scene.evidence("cost_spike"))["input_tokens"] > 0


def test_a_lost_cache_is_the_cause(scene: Scene) -> None:
    scene.before(cached=0.8, input_tokens=10_000).since(cached=0.05, input_tokens=10_000)
    assert scene.cause("cost_spike") == ("cache_hits", "80%", "5%")


def test_of_a_lost_cache_and_a_runaway_answer_the_dearer_is_the_cause(scene: Scene) -> None:
    scene.before(cached=0.3, output_tokens=200).since(cached=0.15, output_tokens=4000)
    assert scene.cause("cost_spike") == ("output_tokens", "200", "4000")


def test_a_price_is_the_cause_where_nothing_else_changed(scene: Scene) -> None:
    scene.before().since(price=3 * MINI)
    assert scene.cause("cost_spike") == ("price", "0.15", "0.45")


def test_more_calls_are_the_cause_of_spend_and_of_nothing_else(scene: Scene) -> None:
    scene.before()
    scene.traffic.gap_s = 1.0
    scene.since(200)
    assert scene.cause("cost_spike") is None
    what, before, after = scene.cause("spend_spike") or ("", "", "")
    assert (what, before) == ("volume", "10")
    assert float(after) == pytest.approx(60, rel=0.2)


def test_spend_that_rises_by_the_call_names_what_makes_it_dear(scene: Scene) -> None:
    assert scene.before().since(price=BIG, request_model="gpt-4o").cause("spend_spike") == (
        "request_model",
        "gpt-4o-mini",
        "gpt-4o",
    )


def test_failing_calls_name_their_error(scene: Scene) -> None:
    scene.before().since(20, request_model="gpt-4o")
    scene.since(40, price=None, status="error", error=CallError("RateLimitError"), input_tokens=None)
    scene.since(10, price=None, status="error", error=CallError("Timeout"), input_tokens=None)
    assert scene.evidence("error_spike").cause == Cause("error_type", "none", "RateLimitError", 0.8)


def test_failing_calls_without_a_type_name_the_switch(scene: Scene) -> None:
    scene.before().since(50, price=None, request_model="gpt-4o", status="error", input_tokens=None)
    assert scene.cause("error_spike") == ("request_model", "gpt-4o-mini", "gpt-4o")


def test_a_model_without_a_price_is_named_and_spend_is_not_split(scene: Scene) -> None:
    scene.before().since(20, price=None, request_model="gpt-9")
    evidence = scene.evidence("unpriced")
    assert evidence.cause == Cause("unpriced_model", "gpt-4o-mini", "gpt-9", 1.0)
    assert (evidence.cost_split, evidence.impact_usd_per_h, evidence.impact_usd) == ((), None, None)
    text = apply(alert(), evidence, (), Rules(), settings_topic="x.settings").summary
    assert "prices/gpt-9:" in text and "-t x.settings" in text


def test_a_mark_near_the_beginning_is_offered_where_nothing_better_is(scene: Scene) -> None:
    scene.before().since(40)
    since = scene.since_ms
    marks = (
        Marked(since - 31 * 60_000, "too early"),
        Marked(since - 29 * 60_000, "release 1.3"),
        Marked(since + 4 * 60_000, "release 1.4"),
        Marked(since + 6 * 60_000, "too late"),
    )
    evidence = scene.evidence("latency_spike", marks=marks)
    assert [entry.to for entry in evidence.changed_attributes] == ["release 1.4", "release 1.3"]
    assert evidence.changed_attributes[0].at == rfc3339(since + 4 * 60_000)
    assert evidence.cause == Cause("mark", "", "release 1.4", 0.0)
    scene.since(60, request_model="gpt-4o")
    assert (scene.cause("latency_spike", marks=marks) or ("",))[0] == "request_model"


def test_like_calls_have_no_cause(scene: Scene) -> None:
    scene.before().since()
    for kind in LEADING:
        if kind not in ("spend_spike",):
            assert scene.cause(kind) is None, kind


# money


def test_the_parts_add_up_and_the_impact_is_at_the_present_rate(scene: Scene) -> None:
    scene.before()
    scene.traffic.gap_s = 3.0
    scene.since(100, price=BIG, request_model="gpt-4o")
    usual = scene.habit.priced.cost / 300
    shown = scene.excursion
    assert shown is not None
    hours = (shown.last_ms - shown.since_ms) / 3_600_000
    dear = shown.cost_sum / 100

    cost = scene.evidence("cost_spike")
    whole = dear * 99 / hours - usual * RATE * 60
    assert sum(parts(cost).values()) == pytest.approx(whole, rel=1e-6)
    assert cost.impact_usd_per_h == pytest.approx((dear - usual) * 99 / hours, rel=1e-6)
    assert cost.impact_usd == pytest.approx((dear - usual) * 100, rel=1e-6)

    spend = scene.evidence("spend_spike")
    assert spend.impact_usd_per_h == pytest.approx(whole, rel=1e-6)
    assert spend.impact_usd == pytest.approx(shown.cost_sum - usual * RATE * 60 * hours, rel=1e-6)


def test_calls_without_a_price_are_in_no_sum(scene: Scene) -> None:
    scene.before(150).before(150, price=None)
    scene.since(30, price=3 * MINI).since(30, price=None)
    evidence = scene.evidence("cost_spike")
    assert abs(parts(evidence)["volume"]) < 0.4 * parts(evidence)["price"]
    shown = scene.excursion
    assert shown is not None and (shown.n, shown.priced_n) == (60, 30)
    usual = scene.habit.priced.cost / 150
    assert evidence.impact_usd == pytest.approx(shown.cost_sum - 30 * usual, rel=1e-6)


@pytest.mark.parametrize("kind", ["latency_spike", "error_spike", "quality_drop"])
def test_what_is_not_about_money_has_no_impact(scene: Scene, kind: SignalKind) -> None:
    evidence = scene.before().since(price=BIG, request_model="gpt-4o").evidence(kind)
    assert (evidence.cost_split, evidence.impact_usd_per_h, evidence.impact_usd) == ((), None, None)


# the record


def test_an_alert_takes_its_evidence_and_keeps_its_life(scene: Scene) -> None:
    evidence = scene.before().since(price=BIG, request_model="gpt-4o").evidence("cost_spike")
    made = apply(alert(history=()), evidence, ("quality: learning",), Rules())
    assert (made.id, made.rev, made.state, made.opened_at) == ("5f0d", 3, "acknowledged", alert().opened_at)
    assert made.missing == ("quality: learning",)
    assert made.cost_split and made.impact_usd and made.cause and made.changed_attributes
    assert len(made.top_spans) == 5
    costs = [span.cost_usd or 0.0 for span in made.top_spans]
    assert costs == sorted(costs, reverse=True)
    assert made.links["self"] == "/api/v1/alerts/5f0d"
    traces = [f"/api/v1/traces/{span.trace_id}?project=demo" for span in made.top_spans]
    assert [made.links[f"trace_{number}"] for number in range(1, 6)] == traces


def test_evidence_that_tells_nothing_new_leaves_the_old(scene: Scene) -> None:
    evidence = scene.before().since(price=BIG, request_model="gpt-4o").evidence("cost_spike")
    old = apply(alert(), evidence, (), Rules())
    later = gather((signal("quality_drop"),), None, None, Habit(), RATE, scene.since_ms, scene.since_ms)
    made = apply(old, later, (), Rules())
    assert made.kind == "cost_and_quality"
    assert [entry.kind for entry in made.signals] == ["cost_spike", "quality_drop"]
    for name in ("cause", "cost_split", "impact_usd", "impact_usd_per_h", "top_spans", "changed_attributes"):
        assert getattr(made, name) == getattr(old, name), name
    assert gather((), None, None, Habit(), RATE, 1, 2).signals == ()
    assert apply(old, gather((), None, None, Habit(), RATE, 1, 2), ("x",), Rules()).signals == old.signals


def test_the_leading_signal_names_the_alert() -> None:
    assert [kind_of([kind]) for kind in LEADING] == list(LEADING)
    assert kind_of(["series_limit", "quality_drop", "latency_spike"]) == "quality_drop"
    assert kind_of(["latency_spike", "quality_drop", "cost_spike"]) == "cost_and_quality"
    evidence = gather(tuple(signal(kind) for kind in reversed(LEADING)), None, None, Habit(), RATE, 0, 0)
    assert tuple(entry.kind for entry in evidence.signals) == LEADING


def test_severity_is_the_rules_or_the_kinds_own() -> None:
    rules = Rules(severity={"no_data": "critical", "cost_and_quality": "info"})
    assert {kind: severity_of(kind, Rules()) for kind in LEADING} == dict.fromkeys(LEADING, "warning")
    assert severity_of("cost_and_quality", Rules()) == "critical"
    assert (severity_of("no_data", rules), severity_of("cost_and_quality", rules)) == ("critical", "info")
    assert severity_of("cost_spike", rules) == "warning"


def test_the_slowest_calls_are_shown_where_time_is_what_deviates() -> None:
    excursion = Excursion(1)
    for number in range(20):
        excursion.show(Exhibit(number, "t", f"{number}", None, None), float(number % 7))
    assert [entry.weight for entry in excursion.exhibits] == [6.0, 6.0, 5.0, 5.0, 5.0]
    assert [entry.span_id for entry in excursion.exhibits] == ["6", "13", "5", "12", "19"]


# from a series


def test_a_release_is_learned_and_named(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=5, content=False)
    bench.feed(traffic.calls(300, release="1.3", cache_read_tokens=500))
    habit = bench.state.cold.habit
    assert set(habit.releases) == {"1.3"}
    usage = habit.models["gpt-4o-mini"]
    assert usage.cached_tokens == pytest.approx(500 * usage.calls, rel=0.01)
    calls = (traffic.call(3, release="1.4", cache_read_tokens=500) for _ in range(40))
    _, found = bench.feed_until(calls, lambda entry: entry.kind == "cost_spike")
    assert (found.cause.what, found.cause.from_, found.cause.to) == ("release", "1.3", "1.4")
    assert found.impact_usd > 0 and found.cost_split
    assert found.links["calls"].startswith(
        "/api/v1/calls?project=demo&service=checkout&endpoint=answer&since="
    )


def test_a_series_with_hostile_names_publishes_bounded_alerts(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=5, content=False)
    bench.feed(traffic.calls(300, release="\x1b[2J" * 5000, prompt_version="v\n" * 5000))
    calls = (traffic.call(3, request_model="<script>" * 5000, release="y" * 10_000) for _ in range(40))
    _, found = bench.feed_until(calls, lambda entry: entry.kind == "cost_spike")
    assert found.cause.what == "request_model" and len(found.cause.to) == 200
    assert len(found.summary) <= 700 and "<" not in found.summary and "\x1b" not in found.summary
    assert len(bench.state.pack_cold()) < 20_000
    assert len(bench.state.pack_hot()) < 20_000


def test_an_adopted_level_is_what_the_next_one_is_compared_with(make_traffic: Any, bench: Any) -> None:
    bench.rules = Rules(adopt_after_s=3000)
    traffic = make_traffic(seed=5, content=False)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(700, times=2, request_model="gpt-4o"))
    adopted = [entry for entry in bench.alerts if entry.reason == "adopted"]
    assert len(adopted) == 1
    said = adopted[0].summary
    assert "now the baseline" in said and "USD/h more than before" in said
    assert "model gpt-4o-mini -> gpt-4o on all new calls" in said
    assert (adopted[0].state, adopted[0].signals[0].baseline.p50) == ("open", pytest.approx(0.004, rel=0.1))
    usual = {name: usage.calls for name, usage in bench.state.cold.habit.models.items()}
    assert usual["gpt-4o"] > 500 > 10 > usual.get("gpt-4o-mini", 0)
    calls = (traffic.call(5, request_model="gpt-5") for _ in range(60))
    _, again = bench.feed_until(calls, lambda entry: entry.cause.to == "gpt-5")
    assert again.cause.from_ == "gpt-4o"
