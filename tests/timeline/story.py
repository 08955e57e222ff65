"""A series' life as a table: `At` a minute something happens, `Want` that exactly this is published.

The clock is fake: minutes since the story began, event time and the clock of the log alike. Every minute ends
with a tick. What no `Want` asks for must not be published, so each line also says that all else is quiet.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from conversations import Talk
from lumina_schemas.alert import Alert
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Marker
from streams.core.bench import START_NS, Bench, Traffic, message

BEGIN = datetime.fromtimestamp(START_NS / 1e9, UTC)
CLOCK_MS = 1_900_000_000_000  # of the log when the story begins: not event time, as for imported traffic
MINUTE_S = 60
USUAL_MS = 800.0
SAID = "I'm sorry, but I can't help with that request."

Span = float | tuple[float, float]
"""A minute, or the first and the last minute at which something may happen."""


@dataclass(frozen=True)
class Calls:
    """From now on calls come like this."""

    times: float = 1.0  # cost, in usual costs
    slower: float = 1.0  # latency, in usual latencies
    refused: bool = False  # the model declines to answer
    failed: bool = False
    every_s: float = 6.0
    model: str = "gpt-4o-mini"
    says: Talk | None = None  # what is asked and answered, where that matters


@dataclass(frozen=True)
class Nothing:
    """From now on no call comes."""


@dataclass(frozen=True)
class Ask:
    """Somebody asks for something about an alert."""

    kind: Literal["acknowledge", "snooze", "resolve"]
    note: str = ""
    until: float | None = None  # minute
    reason: Literal["manual", "false"] | None = None
    by: str = "ada"
    alert: str = "a"  # its name in the story


@dataclass(frozen=True)
class Rule:
    """From now on these rules hold beside those of before."""

    values: Mapping[str, Any]

    def __init__(self, **values: Any) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Mark:
    """Somebody says that at a minute something was done on purpose."""

    minute: float
    text: str
    expected: bool = True


@dataclass(frozen=True)
class At:
    """At this minute that happens."""

    minute: float
    what: Calls | Nothing | Ask | Rule | Mark


@dataclass(frozen=True)
class Want:
    """Within these minutes a record is published that is as said, and no other; None: not looked at."""

    minutes: Span
    state: str
    kind: str | None = None
    reason: str | None = ""  # "": not looked at
    note: str | None = None  # what the note of the transition contains
    by: str = "lumina"
    severity: str | None = None
    signals: tuple[str, ...] | None = None
    at: Span | None = None  # the time that the record says, where it is another than that of its publishing
    update: bool = False  # the record is no transition: only its figures are new
    most: int = 1  # records: updates go on while the level moves
    alert: str = "a"  # its name in the story: same name = same id

    @property
    def first(self) -> float:
        """The first minute at which it may be published."""
        return self.minutes[0] if isinstance(self.minutes, tuple) else self.minutes

    @property
    def last(self) -> float:
        """The last minute at which it may be published."""
        return self.minutes[1] if isinstance(self.minutes, tuple) else self.minutes


@dataclass(frozen=True)
class Published:
    """A record, and the minute at which it was published."""

    minute: float
    alert: Alert
    update: bool  # no transition

    def __str__(self) -> str:
        alert, last = self.alert, self.alert.history[-1]
        signals = ", ".join(signal.kind for signal in alert.signals)
        said = "an update" if self.update else f"by {last.by}: {last.note!r}"
        return (
            f"{self.minute:7.2f}  rev {alert.rev:<2} {alert.kind:17} {alert.state:12} "
            f"{alert.reason or '-':9} {said} ({signals})"
        )


@dataclass
class Story:
    """One series and its clock."""

    bench: Bench = field(default_factory=Bench)
    traffic: Traffic = field(default_factory=lambda: Traffic(seed=7, sigma=0.1, content=True))
    calls: Calls | Nothing = field(default_factory=Nothing)
    next_s: float = 0.0  # of the next call
    now_s: float = 0.0
    names: dict[str, str] = field(default_factory=dict)
    published: list[Published] = field(default_factory=list)
    compared: int = 0  # of them, with what is wanted
    last: Want | None = None  # that was met
    more: int = 0  # records that it bears

    def tell(self, *lines: At | Want) -> None:
        """Live through the lines, one after the other by their minutes; then all that was published must be
        what they want, in their order."""
        wants = [line for line in lines if isinstance(line, Want)]
        asks = [line for line in lines if isinstance(line, At)]
        assert asks == sorted(asks, key=lambda line: line.minute), "a table is read from top to bottom"
        waiting = iter(wants)
        for line in asks:
            self._live_until(line.minute * MINUTE_S, waiting)
            self._do(line.what)
            self._compare(waiting)
        end = max(line.last if isinstance(line, Want) else line.minute for line in lines)
        self._live_until(end * MINUTE_S, waiting, last=True)
        missing = next(waiting, None)
        assert missing is None, self._report(f"not published: {missing}")

    def live(self, *lines: At, until: float) -> list[Published]:
        """Live through the lines, to the call of a minute; what was published is for the caller to judge."""
        for line in lines:
            self._live_until(line.minute * MINUTE_S, None)
            self._do(line.what)
        self._live_until(until * MINUTE_S, None, last=True)
        return self.published

    @property
    def usual_usd(self) -> float:
        """What a call costs by the baseline that decides now."""
        return self.bench.state.hot.cost.test.p50

    def _live_until(self, until_s: float, waiting: Iterator[Want] | None, last: bool = False) -> None:
        """Let calls and ticks come until a second; `last`: the call of that second comes too. `waiting` None:
        nothing is compared."""
        while True:
            tick_s = (self.now_s // MINUTE_S + 1) * MINUTE_S
            call_s = self.next_s if isinstance(self.calls, Calls) else float("inf")
            at_s = min(tick_s, call_s)
            if at_s > until_s or (at_s == until_s == call_s and not last):
                break
            self.now_s = at_s
            self.bench.clock_ms = CLOCK_MS + int(at_s * 1000)
            if at_s == tick_s:
                self._note(self.bench.tick(self.bench.clock_ms))
            if at_s == call_s:
                self.next_s = at_s + (self.calls.every_s if isinstance(self.calls, Calls) else 0)
                self._note(self.bench.feed([self._call(at_s)]))
            if waiting is not None:
                self._compare(waiting)
        self.now_s = max(self.now_s, until_s)
        self.bench.clock_ms = CLOCK_MS + int(self.now_s * 1000)

    def _call(self, at_s: float) -> Call:
        calls = self.calls
        assert isinstance(calls, Calls)
        duration_ms = USUAL_MS * calls.slower * self.traffic.rng.lognormvariate(0, 0.1)
        fields: dict[str, Any] = {"duration_ms": duration_ms, "request_model": calls.model}
        if calls.failed:
            fields |= {"status": "error", "cost_usd": None, "input_tokens": None, "output_tokens": None}
        if calls.says is not None:
            said = calls.says(self.traffic.rng)
            fields |= {
                "input_messages": (message("user", said.question),),
                "output_messages": (message("assistant", said.answer),),
                "prompt_version": said.version,
                "finish_reasons": (said.finish,),
            }
        # A call's time is its end.
        fields["start_ns"] = START_NS + (int(at_s * 1000) - int(duration_ms)) * 1_000_000
        return self.traffic.call(calls.times, SAID if calls.refused else None, **fields)

    def _do(self, what: Calls | Nothing | Ask | Rule | Mark) -> None:
        bench = self.bench
        if isinstance(what, Calls | Nothing):
            self.calls, self.next_s = what, self.now_s
        elif isinstance(what, Rule):
            bench.rules = msgspec.structs.replace(bench.rules, **what.values)
        elif isinstance(what, Mark):
            marker = Marker(
                (START_NS // 1_000_000) + int(what.minute * 60_000), what.text, what.expected, "eve"
            )
            bench.rules = msgspec.structs.replace(bench.rules, marks=(*bench.rules.marks, marker))
        else:
            fields: dict[str, Any] = {"note": what.note, "by": what.by, "alert_id": self.names[what.alert]}
            if what.until is not None:
                fields["until"] = BEGIN + timedelta(minutes=what.until)
            if what.reason is not None:
                fields["reason"] = what.reason
            self._note(bench.ask(what.kind, **fields))

    def _note(self, news: list[Alert]) -> None:
        for alert in news:
            before = [one.alert for one in self.published if one.alert.id == alert.id]
            update = bool(before) and before[-1].history == alert.history
            self.published.append(Published(self.now_s / MINUTE_S, alert, update))
            _check(alert, before[-1] if before else None)

    def _compare(self, waiting: Iterator[Want]) -> None:
        """Hold what was published since the last look against the next wants."""
        for one in self.published[self.compared :]:
            if not (self.more and one.update and self.last is not None and one.minute <= self.last.last):
                self.last = next(waiting, None)
                self.more = self.last.most if self.last is not None else 0
            assert self.last is not None, self._report(f"wanted by nobody: {one}")
            self._match(self.last, one)
            self.more -= 1
        self.compared = len(self.published)

    def _match(self, want: Want, one: Published) -> None:
        alert = one.alert
        last = alert.history[-1]
        found: dict[str, Any] = {"state": alert.state, "update": one.update}
        asked: dict[str, Any] = {"state": want.state, "update": want.update}
        for name, value, wanted in (
            ("kind", alert.kind, want.kind),
            ("severity", alert.severity, want.severity),
            ("signals", tuple(signal.kind for signal in alert.signals), want.signals),
        ):
            if wanted is not None:
                found[name], asked[name] = value, wanted
        if want.reason != "":
            found["reason"], asked["reason"] = alert.reason, want.reason
        if not one.update:
            found["by"], asked["by"] = last.by, want.by
            if want.note is not None:
                found["note"], asked["note"] = want.note in last.note, True
        assert found == asked, self._report(f"wanted {want}\n   found {one}")
        assert want.first <= one.minute <= want.last, self._report(f"wanted {want}\n   found {one}")
        says = (datetime.fromisoformat(alert.updated_at) - BEGIN).total_seconds() / MINUTE_S
        first, last_minute = _bounds(want.at if want.at is not None else one.minute)
        assert first - 1e-6 <= says <= last_minute + 1e-6, self._report(f"it says minute {says}: {one}")
        assert self.names.setdefault(want.alert, alert.id) == alert.id, self._report(f"another id: {one}")
        others = {name: known_id for name, known_id in self.names.items() if known_id == alert.id}
        assert list(others) == [want.alert], self._report(f"the id of {others}: {one}")

    def _report(self, problem: str) -> str:
        return "\n".join([problem, "what was published:", *map(str, self.published)])


def _bounds(span: Span) -> tuple[float, float]:
    return span if isinstance(span, tuple) else (span, span)


def _check(alert: Alert, before: Alert | None) -> None:
    """What holds for every record of every alert."""
    assert alert.history[-1].state == alert.state
    assert (alert.resolved_at is not None) == (alert.state == "resolved")
    assert (alert.snoozed_until is not None) == (alert.state == "snoozed")
    assert alert.summary
    assert alert.signals
    if before is None:
        assert (alert.rev, len(alert.history)) == (1, 1)
        return
    assert alert.rev == before.rev + 1
    assert alert.opened_at == before.opened_at
    assert alert.updated_at >= before.updated_at
    if alert.history == before.history:
        passed = datetime.fromisoformat(alert.updated_at) - datetime.fromisoformat(before.updated_at)
        assert passed >= timedelta(minutes=1), "updates are a minute apart"
