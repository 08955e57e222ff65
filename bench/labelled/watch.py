"""What the product makes of a series' calls, shown to it as a partition does; and what two plain rules do."""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from math import sqrt

from lumina_schemas.alert import Alert
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.quiet import advance, due_ms
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step

TICK_MS = 5000
LOG_DELAY_MS = 1000  # from a call's end until it is in the log
AT = "2026-01-05T00:00:00Z"
MERGE_MS = 30 * 60_000  # flags of a plain rule that lie closer are one alert


@dataclass(frozen=True)
class News:
    """Something that a person is told: an alert opened, came back, rose above an adopted level, or gained a
    signal.
    """

    at_ms: int
    calls: int  # of the series so far
    alert_id: str
    kind: str
    severity: str
    again: bool = False  # not its first
    gained: bool = False  # it was open: one signal more
    signals: tuple[str, ...] = ("flag",)


class Product:
    """One series as detect holds it: positions, calls, time passing."""

    def __init__(self, call: Call, rules: Rules) -> None:
        self.state = SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
        self.rules = rules
        self.news: list[News] = []
        self.calls = 0
        self._known: dict[str, tuple[int, str, int]] = {}

    def take(self, call: Call, at_ms: int) -> None:
        """Show it the next call, which ended at `at_ms`."""
        clock_ms = (at_ms + LOG_DELAY_MS) // TICK_MS * TICK_MS
        self.pass_time(clock_ms)
        self.calls += call.kind == "llm"
        if self.state.positions.advance(call.src):
            alerts = step(self.state, call, self.rules, AT, clock_ms)
            if alerts:
                self._note(alerts, at_ms)

    def pass_time(self, clock_ms: int) -> None:
        """Let the ticks come that bring something due."""
        while (due := due_ms(self.state, self.rules)) is not None and due <= clock_ms:
            tick = min(-(-due // TICK_MS) * TICK_MS, clock_ms)
            alerts = advance(self.state, tick, self.rules, AT)
            if alerts:
                self._note(alerts, tick - LOG_DELAY_MS)
            again = due_ms(self.state, self.rules)
            if again is not None and again <= tick:
                raise RuntimeError(f"advance to {tick} left something due at {again}.")

    def _note(self, alerts: list[Alert], at_ms: int) -> None:
        for alert in alerts:
            steps, state, signals = self._known.get(alert.id, (0, "", 0))
            self._known[alert.id] = (len(alert.history), alert.state, len(alert.signals))
            if alert.state != "open" or len(alert.history) == steps or alert.reason == "adopted":
                continue
            gained = state == "open" and len(alert.signals) > signals
            kinds = tuple(signal.kind for signal in alert.signals)
            self.news.append(
                News(at_ms, self.calls, alert.id, alert.kind, alert.severity, bool(steps), gained, kinds)
            )


@dataclass
class Flags:
    """A plain rule's flags, merged into alerts."""

    news: list[News] = field(default_factory=list)
    raw: list[tuple[int, int]] = field(default_factory=list)
    """(time, calls so far) of each."""
    last_ms: int = -MERGE_MS

    def flag(self, at_ms: int, calls: int) -> None:
        """One call is flagged."""
        if at_ms - self.last_ms >= MERGE_MS:
            self.news.append(News(at_ms, calls, f"{len(self.news)}", "flag", "warning"))
        self.last_ms = at_ms
        self.raw.append((at_ms, calls))


class FixedRule:
    """A call that costs more than 1.2 times the p95 of the last 1,000."""

    name = "fixed_rule"

    def __init__(self) -> None:
        self.flags = Flags()
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def take(self, cost: float, at_ms: int, calls: int) -> None:
        """Look at one call."""
        count = len(self._sorted)
        if count >= 20 and cost > 1.2 * self._sorted[int(0.95 * (count - 1))]:
            self.flags.flag(at_ms, calls)
        if count >= 1000:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(cost)
        insort(self._sorted, cost)


class ThreeSigma:
    """A call more than three standard deviations above an exponentially weighted mean of cost."""

    name = "three_sigma_ewma"
    WEIGHT = 0.02

    def __init__(self) -> None:
        self.flags = Flags()
        self._mean = self._variance = 0.0
        self._calls = 0

    def take(self, cost: float, at_ms: int, calls: int) -> None:
        """Look at one call."""
        self._calls += 1
        if self._calls == 1:
            self._mean = cost
            return
        difference = cost - self._mean
        if self._calls > 20 and difference > 3.0 * sqrt(self._variance):
            self.flags.flag(at_ms, calls)
        self._mean += self.WEIGHT * difference
        self._variance = (1.0 - self.WEIGHT) * (self._variance + self.WEIGHT * difference * difference)
