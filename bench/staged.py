"""Staged incidents for the plots of the docs: seeded traffic through the core of detect, and what it did.

One series each, two days of history, then one thing that goes wrong and ends again. What is recorded is what
a plot shows: values, the baseline, evidence over its threshold, and what happened to the alert.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from msgspec.structs import replace as changed

from labelled.incident import Incident
from labelled.lookalike import Lookalike
from labelled.prices import BY_NAME
from labelled.series import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Plan, draw_plan
from labelled.traffic import Traffic
from lumina_schemas.alert import Alert
from lumina_schemas.partition import series_id
from lumina_schemas.series import OTHER
from lumina_streams.core.baseline.lane import LaneName
from lumina_streams.core.quality.score import judge
from lumina_streams.core.series.call import Call, CallMessage, CallPart
from lumina_streams.core.series.quiet import advance, due_ms
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step
from lumina_streams.core.span.registry import SeriesRegistry

SEED = 1
ONSET_MS = START_MS + 2 * DAY_MS + 10 * HOUR_MS
LOG_DELAY_MS = 1000
TICK_MS = 5000
SEE_MS = 30_000  # of a silence
AT = "2026-01-07T00:00:00Z"

TEXT = (
    "order parcel refund invoice customer account delivery address carrier tracking number payment card "
    "shipping return policy item colour size stock warehouse delay email phone support agent ticket"
)
WORDS = TEXT.split()
REFUSAL = "I'm sorry, but I can't help with that request."
PROMPTS = 5


class Moment(NamedTuple):
    """Something that happened to the alert."""

    at_ms: int
    words: str  # opened, resolved, ...
    alert: Alert


@dataclass
class Seen:
    """What a plot shows."""

    first_ms: int
    onset_ms: int
    end_ms: int  # of the incident
    last_ms: int
    points: list[tuple[float, float]] = field(default_factory=list)
    more: list[tuple[float, float]] = field(default_factory=list)  # of another kind
    baseline: list[tuple[float, float, float]] = field(default_factory=list)  # (time, p50, p95)
    evidence: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # lane -> over threshold
    moments: list[Moment] = field(default_factory=list)

    @property
    def alert(self) -> Alert:
        """The alert when it was opened, or upgraded to what it is about."""
        return [moment.alert for moment in self.moments if moment.words != "resolved"][-1]


Value = Callable[[SeriesState, Call], float | None]
Usual = Callable[[SeriesState], tuple[float, float]]


class Stage:
    """A series and what is recorded of it."""

    def __init__(self, seen: Seen, lanes: list[LaneName], rules: Rules, joint: bool = False) -> None:
        self.seen = seen
        self.lanes = lanes
        self.rules = rules
        self.joint = joint
        self.state: SeriesState | None = None
        self._steps: dict[str, int] = {}
        self._looked_ms = 0

    def play(self, calls: Iterator[Call], value: Value | None, usual: Usual | None) -> Seen:
        """Show the series its calls, and time passing between and after them."""
        for call in calls:
            at_ms = call.start_ns // 1_000_000 + int(call.duration_ms)
            if self.state is None:
                self.state = SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
            state = self.state
            self.wait(at_ms)
            shown = self.seen.first_ms <= at_ms <= self.seen.last_ms
            found = value(state, call) if value is not None and shown else None
            if found is not None:
                self.seen.points.append((at_ms, found))
            if state.positions.advance(call.src):
                clock_ms = (at_ms + LOG_DELAY_MS) // TICK_MS * TICK_MS
                self._note(step(state, call, self.rules, AT, clock_ms), at_ms)
            if shown:
                self._weigh(state, at_ms)
                if usual is not None and at_ms - self._looked_ms >= MINUTE_MS:
                    self._looked_ms = at_ms
                    self.seen.baseline.append((at_ms, *usual(state)))
        self.wait(self.seen.last_ms)
        return self.seen

    def wait(self, until_ms: int) -> None:
        """Let the ticks come that bring something due."""
        state = self.state
        while state is not None and (due := due_ms(state, self.rules)) is not None:
            tick = -(-due // TICK_MS) * TICK_MS
            if tick - LOG_DELAY_MS > until_ms:
                return
            self._note(advance(state, tick, self.rules, AT), tick - LOG_DELAY_MS)

    def _weigh(self, state: SeriesState, at_ms: int) -> None:
        for name in self.lanes:
            lane = state.lanes[name]
            threshold = lane.joint_h if self.joint else lane.alone_h
            if lane.evidence:
                ratio = max(lane.evidence) / threshold if threshold else 0.0
            else:
                ratio = lane.strength(threshold, self.rules)
            self.seen.evidence.setdefault(name, []).append((at_ms, ratio))

    def _note(self, alerts: list[Alert], at_ms: int) -> None:
        for alert in alerts:
            before = self._steps.get(alert.id, 0)
            self._steps[alert.id] = len(alert.history)
            if len(alert.history) > before and at_ms >= self.seen.first_ms:
                words = alert.state if alert.state != "open" else "opened" if not before else "upgraded"
                self.seen.moments.append(Moment(at_ms, words, alert))


def plan_of(**different: float) -> Plan:
    """A plain series: four calls a minute, log-normal costs, a little rhythm, two failures in a hundred."""
    plan = replace(
        draw_plan(SEED, 0),
        project="shop",
        service="checkout",
        endpoint="answer",
        seed=f"plots {SEED}",
        rate_per_min=4.0,
        day_ratio=2.0,
        peak_h=14.0,
        weekend=1.0,
        cost_day=0.05,
        spread=0.45,
        tail=0.02,
        models=((BY_NAME["gpt-4o-mini"], 1.0),),
        input_tokens=6000.0,
        output_tokens=800.0,
        cached=0.0,
        cache_hits=0.0,
        latency_ms=1800.0,
        latency_spread=0.4,
        error_share=0.01,
    )
    return replace(plan, **different)  # type: ignore[arg-type]


def window(before_min: int, incident_min: int, after_min: int) -> Seen:
    """An empty record around the onset."""
    end_ms = ONSET_MS + incident_min * MINUTE_MS
    return Seen(ONSET_MS - before_min * MINUTE_MS, ONSET_MS, end_ms, end_ms + after_min * MINUTE_MS)


def traffic(plan: Plan, seen: Seen, incident: Incident | None = None, volume: float = 1.0) -> Iterator[Call]:
    """The series' calls, with its incident, or with so many times the calls while it lasts."""
    incidents = [] if incident is None else [incident]
    more = [Lookalike("traffic_doubling", seen.onset_ms, seen.end_ms, volume)] if volume != 1.0 else []
    return iter(Traffic(plan, incidents, more, seen.last_ms))


def talking(calls: Iterator[Call], seen: Seen, refused: float) -> Iterator[Call]:
    """The same calls with prompts and answers; a share of the answers refuses during the incident."""
    rng = random.Random(f"answers {SEED}")
    usual = [rng.choices(WORDS, k=40) for _ in range(PROMPTS)]
    for call in calls:
        prompt = rng.randrange(PROMPTS)
        answer = " ".join(rng.choice(WORDS) if rng.random() < 0.2 else word for word in usual[prompt])
        if seen.onset_ms <= call.start_ns // 1_000_000 < seen.end_ms and rng.random() < refused:
            answer = REFUSAL
        question = f"Question {'ABCDE'[prompt]}: where is my order, and what do I do about it?"
        yield changed(
            call,
            input_messages=(CallMessage("user", (CallPart("text", question),)),),
            output_messages=(CallMessage("assistant", (CallPart("text", answer),)),),
        )


def cost_spike() -> Seen:
    """Six in ten calls go to a model that costs twice as much."""
    seen = window(60, 90, 45)
    incident = Incident("model_swap", seen.onset_ms, seen.end_ms, 2.0, 0.6)
    return Stage(seen, ["cost"], Rules()).play(traffic(plan_of(), seen, incident), _cost, _usual("cost"))


def quality_drop() -> Seen:
    """Every third answer is a refusal."""
    seen = window(60, 60, 45)
    calls = talking(traffic(plan_of(), seen), seen, 0.35)
    return Stage(seen, ["quality"], Rules()).play(calls, _quality, _usual_quality)


def cost_and_quality() -> Seen:
    """A dearer model that often refuses."""
    seen = window(60, 60, 45)
    incident = Incident("model_swap", seen.onset_ms, seen.end_ms, 1.6, 1.0)
    calls = talking(traffic(plan_of(), seen, incident), seen, 0.35)
    stage = Stage(seen, ["cost", "quality"], Rules(), joint=True)

    def value(state: SeriesState, call: Call) -> float | None:
        score = _quality(state, call)
        if score is not None and score < stage.rules.quality_min and call.cost_usd is not None:
            seen.more.append((call.start_ns // 1_000_000 + int(call.duration_ms), call.cost_usd))
            return None
        return _cost(state, call)

    return stage.play(calls, value, _usual("cost"))


def spend_spike() -> Seen:
    """Six times as many calls, each as dear as ever."""
    seen = window(120, 75, 60)
    slots: dict[int, float] = {}
    width = 5 * MINUTE_MS

    def value(state: SeriesState, call: Call) -> float | None:
        slot = (call.start_ns // 1_000_000 + int(call.duration_ms)) // width
        slots[slot] = slots.get(slot, 0.0) + (call.cost_usd or 0.0)
        return None

    stage = Stage(seen, ["spend"], Rules())
    stage.play(traffic(plan_of(), seen, volume=6.0), value, _usual("spend"))
    whole = range(-(-seen.first_ms // width), seen.last_ms // width)
    seen.points = [(slot * width, slots.get(slot, 0.0) / 5) for slot in whole]
    return seen


def error_spike() -> Seen:
    """Three calls in ten fail."""
    seen = window(60, 60, 45)
    incident = Incident("errors", seen.onset_ms, seen.end_ms, 0.3)
    share = _Share(lambda call: call.status == "error")
    return Stage(seen, ["errors"], Rules()).play(
        traffic(plan_of(), seen, incident), share, _usual_share("errors")
    )


def latency_spike() -> Seen:
    """Calls take 1.7 times as long."""
    seen = window(60, 90, 45)
    incident = Incident("latency", seen.onset_ms, seen.end_ms, 1.7)

    def value(state: SeriesState, call: Call) -> float | None:
        return None if call.status == "error" else call.duration_ms / 1000

    def usual(state: SeriesState) -> tuple[float, float]:
        p50, p95 = _usual("latency")(state)
        return p50 / 1000, p95 / 1000

    return Stage(seen, ["latency"], Rules()).play(traffic(plan_of(), seen, incident), value, usual)


def unpriced() -> Seen:
    """Six in ten calls go to a model that the price list does not know."""
    seen = window(60, 60, 45)
    incident = Incident("unpriced", seen.onset_ms, seen.end_ms, 1.0, 0.6)
    share = _Share(lambda call: call.cost_usd is None and call.status != "error")
    return Stage(seen, ["unpriced"], Rules()).play(
        traffic(plan_of(), seen, incident), share, _usual_share("unpriced")
    )


def no_data() -> Seen:
    """A series that always speaks is silent for half an hour; told to be missed after ten minutes."""
    seen = window(60, 30, 30)
    rules = Rules(no_data_after_s=600.0)
    plan = plan_of()
    stage = Stage(seen, [], rules)
    last = 0

    def heard() -> Iterator[Call]:
        for call in traffic(plan, seen):
            at_ms = call.start_ns // 1_000_000 + int(call.duration_ms)
            if not seen.onset_ms <= at_ms < seen.end_ms:
                yield call

    def value(state: SeriesState, call: Call) -> float | None:
        nonlocal last
        at_ms = call.start_ns // 1_000_000 + int(call.duration_ms)
        gap, last = (at_ms - last) / 1000 if last else None, max(at_ms, last)
        if gap is None or gap <= 0:
            return None
        if gap > 300:  # the silence, as it grew
            seen.more = [(at_ms - gap * 1000 + s * 1000, s) for s in range(15, int(gap), 15)]
        return gap

    stage.play(heard(), value, None)
    silence = [(at, s / rules.no_data_after_s) for at, s in [*seen.points, *seen.more]]
    seen.evidence = {"silence": sorted(silence)}
    return seen


def series_limit() -> Seen:
    """A deploy puts an id into every path: each call has an endpoint of its own, until there are 1,000."""
    seen = window(30, 60, 15)
    rules = Rules(max_series=1000)
    registry = SeriesRegistry(rules.max_series)
    plan = plan_of(rate_per_min=30.0)
    names = random.Random(f"endpoints {SEED}")
    known: set[str] = set()
    stage = Stage(seen, ["limit"], rules)
    other = series_id(plan.project, plan.service, OTHER)

    def calls() -> Iterator[Call]:
        for call in traffic(replace(plan, first_ms=seen.first_ms), seen):
            at_ms = call.start_ns // 1_000_000 + int(call.duration_ms)
            broken = seen.onset_ms <= at_ms < seen.end_ms
            endpoint = f"/users/{names.randrange(10**6)}" if broken else f"/page-{names.randrange(80)}"
            series = series_id(call.project, call.service, endpoint)
            registry.begin(at_ms)
            if registry.admits(call.project, call.service, endpoint, series, True):
                known.add(series)
                seen.points.append((at_ms, len(known)))
                if not seen.moments:
                    seen.evidence.setdefault("limit", []).append((at_ms, 0.0))
            else:
                yield changed(call, series_id=other, endpoint=OTHER, endpoint_overflow="http.route")

    stage.play(calls(), None, None)
    seen.evidence["limit"].append((seen.last_ms, seen.evidence["limit"][-1][1]))
    return seen


STAGED: dict[str, Callable[[], Seen]] = {
    stage.__name__: stage
    for stage in (
        cost_spike,
        quality_drop,
        cost_and_quality,
        spend_spike,
        error_spike,
        latency_spike,
        unpriced,
        no_data,
        series_limit,
    )
}
"""Kind of alert -> its incident."""


def _cost(state: SeriesState, call: Call) -> float | None:
    return call.cost_usd


def _quality(state: SeriesState, call: Call) -> float | None:
    verdict = judge(call, state.cold.references, state.hot.quality.test, Rules())
    return None if verdict is None else verdict.score


def _usual(measure: str) -> Usual:
    def usual(state: SeriesState) -> tuple[float, float]:
        _, sketch = state.cold.baselines.reference(measure)  # type: ignore[arg-type]
        return sketch.quantile(0.5), sketch.quantile(0.95)

    return usual


def _usual_quality(state: SeriesState) -> tuple[float, float]:
    _, sketch = state.cold.baselines.reference("quality")
    return sketch.quantile(0.5), sketch.quantile(0.05)


def _usual_share(measure: str) -> Usual:
    def usual(state: SeriesState) -> tuple[float, float]:
        baselines = state.cold.baselines
        calls = baselines.count("calls")
        share = baselines.count(measure) / calls if calls else 0.0  # type: ignore[arg-type]
        return share, share

    return usual


class _Share:
    """Share of the last 50 calls that are so."""

    def __init__(self, is_so: Callable[[Call], bool]) -> None:
        self.is_so = is_so
        self._last: list[bool] = []

    def __call__(self, state: SeriesState, call: Call) -> float | None:
        self._last = [*self._last, self.is_so(call)][-50:]
        return sum(self._last) / len(self._last) if len(self._last) == 50 else None
