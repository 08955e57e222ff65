"""The classic scenarios over the real stack, each on a service of its own: OTLP in, one alert out, or none.

Dearer, wrong, refusing, both at once, slow; and beside them traffic on which nothing happens.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

import conversations as c
from conversations import Talk
from e2e.otlp_calls import Call, normal_calls, post
from e2e.stack import Stack, eventually
from e2e.truth import records
from lumina_api.baselines import known_series
from lumina_schemas.alert import Alert, AlertKind, Severity, SignalKind
from lumina_schemas.topics import ALERTS

SEEN_S = 60.0
SECOND_NS = 1_000_000_000
EVERY_NS = 2 * SECOND_NS
LATENCY_SPREAD = 0.2


@dataclass(frozen=True)
class Kind:
    """How calls of a service come."""

    talk: Talk
    model: str = "gpt-4o-mini"
    slower: float = 1.0
    short: bool = False  # a refusal has few tokens


@dataclass(frozen=True)
class Want:
    """The one alert of a service."""

    kind: AlertKind
    severity: Severity
    tier: str | None = None  # of its quality signal
    cause: tuple[str, str, str] | None = None

    @property
    def signals(self) -> list[SignalKind]:
        if self.kind == "cost_and_quality":
            return ["cost_spike", "quality_drop"]
        return [self.kind]


SWITCH = ("request_model", "gpt-4o-mini", "gpt-4o")


@dataclass(frozen=True)
class Scenario:
    """A service: usual calls, then those of each phase, after which it is to have that alert."""

    service: str
    usual: Kind
    history: int
    phases: tuple[tuple[Sequence[tuple[Kind, int]], Want | None], ...]


@dataclass
class Run:
    """What came of a scenario so far."""

    scenario: Scenario
    sent: list[Call] = field(default_factory=list)
    bad: list[Call] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    @property
    def service(self) -> str:
        return self.scenario.service


ENGLISH = c.support("English")
REFUSED = c.declines("English")
FIVE = 5

SCENARIOS = (
    Scenario(
        "dearer",
        Kind(c.policy),
        120,
        (([(Kind(c.policy, model="gpt-4o"), 10)], Want("cost_spike", "warning", cause=SWITCH)),),
    ),
    Scenario(
        "wrong-name",
        Kind(c.paris),
        50,
        (([(Kind(c.london), FIVE)], Want("quality_drop", "warning", "similarity")),),
    ),
    Scenario(
        "wrong-name-in-many-words",
        Kind(c.france),
        50,
        (([(Kind(c.france_is_wrong), FIVE)], Want("quality_drop", "warning", "similarity")),),
    ),
    Scenario(
        "wrong-names",
        Kind(c.capitals),
        50,
        (([(Kind(c.capitals_are_wrong), FIVE)], Want("quality_drop", "warning", "similarity")),),
    ),
    Scenario(
        "wrong-number",
        Kind(c.policy),
        50,
        (([(Kind(c.policy_is_wrong), FIVE)], Want("quality_drop", "warning", "similarity")),),
    ),
    Scenario(
        "wrong-value",
        Kind(c.ticket),
        50,
        (([(Kind(c.ticket_is_wrong), FIVE)], Want("quality_drop", "warning", "similarity")),),
    ),
    Scenario(
        "refusing",
        Kind(ENGLISH),
        50,
        (([(Kind(REFUSED, short=True), FIVE)], Want("quality_drop", "warning", "signs")),),
    ),
    Scenario(
        "dear-and-refusing",
        Kind(ENGLISH),
        50,
        (
            (
                [(Kind(REFUSED, model="gpt-4o"), FIVE)],
                Want("cost_and_quality", "critical", "signs", SWITCH),
            ),
        ),
    ),
    Scenario(
        "dear-and-wrong",
        Kind(c.policy),
        50,
        (
            (
                [(Kind(c.policy_is_wrong, model="gpt-4o"), FIVE)],
                Want("cost_and_quality", "critical", "similarity", SWITCH),
            ),
        ),
    ),
    Scenario(
        "dear-then-bad",
        Kind(ENGLISH),
        120,
        (
            ([(Kind(ENGLISH, model="gpt-4o"), 8)], Want("cost_spike", "warning", cause=SWITCH)),
            (
                [(Kind(REFUSED, model="gpt-4o"), FIVE)],
                Want("cost_and_quality", "critical", "signs", SWITCH),
            ),
        ),
    ),
    Scenario(
        "bad-then-dear",
        Kind(ENGLISH),
        120,
        (
            ([(Kind(REFUSED), FIVE)], Want("quality_drop", "warning", "signs")),
            (
                [(Kind(REFUSED, model="gpt-4o"), FIVE)],
                Want("cost_and_quality", "critical", "signs", SWITCH),
            ),
        ),
    ),
    Scenario(
        "slow",
        Kind(c.policy),
        120,
        (([(Kind(c.policy, slower=5), 10)], Want("latency_spike", "warning")),),
    ),
    # One bad answer among good ones: a refusal, a wrong number, a cut JSON.
    Scenario("one-refusal", Kind(ENGLISH), 50, (([(Kind(REFUSED), 1), (Kind(ENGLISH), 15)], None),)),
    Scenario(
        "one-wrong", Kind(c.policy), 50, (([(Kind(c.policy_is_wrong), 1), (Kind(c.policy), 15)], None),)
    ),
    Scenario(
        "one-broken", Kind(c.ticket), 50, (([(Kind(c.ticket_cut_short), 1), (Kind(c.ticket), 15)], None),)
    ),
    # The control: other customers, other words, other questions, a new prompt version.
    Scenario("control-words", Kind(c.policy), 200, (([(Kind(c.reworded_policy), 40)], None),)),
    Scenario("control-version", Kind(c.policy), 120, (([(Kind(c.new_version_of_policy), 40)], None),)),
    Scenario("control-length", Kind(c.policy), 120, (([(Kind(c.longer_policy), 40)], None),)),
    Scenario("control-questions", Kind(c.capitals), 120, (([(Kind(c.other_capitals), 40)], None),)),
    Scenario("control-json", Kind(c.ticket), 120, (([(Kind(c.ticket), 40)], None),)),
    Scenario("control-poems", Kind(c.poem), 120, (([(Kind(c.poem), 40)], None),)),
    Scenario("control-parcels", Kind(c.parcel), 250, (([(Kind(c.parcel), 40)], None),)),
)


def calls(rng: random.Random, service: str, kind: Kind, count: int, end_ns: int) -> list[Call]:
    """Calls that end at `end_ns` and before, two seconds apart."""
    made = []
    for call in normal_calls(rng, count, end_ns, EVERY_NS, service=service, model=kind.model):
        said = kind.talk(rng)
        made.append(
            replace(
                call,
                question=said.question,
                answer=said.answer,
                prompt_version=said.version,
                finish=said.finish,
                latency_ms=800 * kind.slower * rng.lognormvariate(0, LATENCY_SPREAD),
                output_tokens=14 if kind.short else call.output_tokens,
            )
        )
    return made


async def applied(stack: Stack, runs: Iterable[Run]) -> None:
    """Wait until detect has taken every call that was sent, and its alerts lie on their topic: they leave
    before the state that the count is read from."""
    wanted = {run.service: len(run.sent) for run in runs}
    found: dict[str, int] = {}

    async def all_counted() -> bool:
        now_ms = time.time_ns() // 1_000_000
        found.clear()
        async for series in known_series(stack.settings, lambda _: True, now_ms):
            found[series.service] = series.calls
        return found == wanted

    await eventually(all_counted, SEEN_S, lambda: f"calls counted: {found}\nsent: {wanted}")


async def on_topic(stack: Stack) -> dict[str, list[Alert]]:
    """Every record of the alerts' topic by service, in order."""
    found: dict[str, list[Alert]] = {}
    for record in await records(stack.settings, stack.settings.topic(ALERTS)):
        alert = msgspec.json.decode(record.value, type=Alert)
        found.setdefault(alert.service, []).append(alert)
    return found


async def over_rest(stack: Stack, wanted: Alert) -> dict[str, Any]:
    """The list's item of an alert, once the views have the record that the topic has."""
    items: list[dict[str, Any]] = []

    async def shown() -> bool:
        listed = await stack.get("/api/v1/alerts", project="e2e", service=wanted.service)
        items[:] = listed["items"]
        return [(item["id"], item["rev"]) for item in items] == [(wanted.id, wanted.rev)]

    await eventually(shown, SEEN_S, lambda: f"{wanted.id}, rev {wanted.rev}, is not the one alert of {items}")
    assert items[0] == msgspec.json.decode(msgspec.json.encode(wanted))
    assert await stack.get(f"/api/v1/alerts/{wanted.id}") == items[0]
    return items[0]


async def check(stack: Stack, run: Run, want: Want, published: Sequence[Alert]) -> None:
    """The service has this one alert, on the topic and over REST."""
    seen = [(alert.rev, alert.kind, alert.state, alert.summary) for alert in published]
    assert published, f"no alert after {len(run.bad)} bad calls"
    last = published[-1]
    run.ids |= {alert.id for alert in published}
    assert len(run.ids) == 1, seen
    assert (last.kind, last.severity, last.state) == (want.kind, want.severity, "open"), seen
    assert [signal.kind for signal in last.signals] == want.signals
    assert (last.project, last.endpoint) == ("e2e", "answer")
    bad = {call.span_id.hex(): call for call in run.bad}
    assert last.top_spans and {span.span_id for span in last.top_spans} <= bad.keys()
    if want.cause is not None:
        assert last.cause is not None
        assert (last.cause.what, last.cause.from_, last.cause.to) == want.cause
    for signal in last.signals:
        assert signal.significance >= 1 and signal.baseline.n >= 40
        assert (signal.ratio < 0.8) if signal.kind == "quality_drop" else (signal.ratio > 3)
    if "quality_drop" in want.signals:
        assert last.signals[-1].value < 0.7
        assert last.answers is not None
        assert last.answers.before in {call.answer for call in run.sent} - {call.answer for call in run.bad}
        assert last.answers.after in {call.answer for call in run.bad}
    if want.kind == "cost_and_quality" and len(published) > 1:
        assert "cost and quality together" in [step.note for step in last.history]
    await over_rest(stack, last)
    span = last.top_spans[0]
    trace = await stack.get(f"/api/v1/traces/{span.trace_id}")
    assert [alert["id"] for alert in trace["alerts"]] == [last.id]
    tiers = [signal.tier for signal in last.signals if signal.kind == "quality_drop"]
    assert tiers == ([want.tier] if want.tier is not None else [])


async def send(stack: Stack, run: Run, sent: Sequence[Call]) -> None:
    """Each call in a request of its own, one after the other."""
    for call in sent:
        await post(stack.otlp, [call])
    run.sent += sent


@pytest.mark.timeout(420)
async def test_the_classic_scenarios(stack: Stack, subtests: pytest.Subtests) -> None:
    await stack.start("gateway", "stream", "api")
    rng = random.Random(11)
    runs = [Run(scenario) for scenario in SCENARIOS]
    longest = max(sum(count for _, count in phase) for one in SCENARIOS for phase, _ in one.phases)
    now_ns = time.time_ns() - 2 * longest * EVERY_NS
    for run in runs:
        history = calls(rng, run.service, run.scenario.usual, run.scenario.history, now_ns)
        await post(stack.otlp, history)
        run.sent += history
    await applied(stack, runs)
    with subtests.test("history is silent"):
        assert await on_topic(stack) == {}

    for number in range(max(len(scenario.phases) for scenario in SCENARIOS)):
        active = [run for run in runs if number < len(run.scenario.phases)]
        before = Counter({service: len(told) for service, told in (await on_topic(stack)).items()})
        later: list[list[Call]] = []
        for run in active:
            made: list[Call] = []
            kinds, want = run.scenario.phases[number]
            for kind, count in kinds:
                end_ns = now_ns + (len(made) + count) * EVERY_NS
                made += calls(rng, run.service, kind, count, end_ns)
            if want is not None:
                run.bad += made
            later.append(made)
        now_ns += longest * EVERY_NS
        await asyncio.gather(*(send(stack, run, made) for run, made in zip(active, later, strict=True)))
        await applied(stack, runs)
        alerts = await on_topic(stack)
        for run in active:
            want = run.scenario.phases[number][1]
            news = alerts.get(run.service, [])[before[run.service] :]
            with subtests.test(f"{run.service}, phase {number + 1}"):
                if want is None:
                    assert [alert.summary for alert in news] == []
                else:
                    await check(stack, run, want, news)
