"""What the detection tests play with: seeded calls of one series in event time, its state, its table."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from lumina_schemas.alert import Alert
from lumina_schemas.control import Command
from lumina_schemas.partition import series_id
from lumina_schemas.source import Source
from lumina_streams.core.series.call import Call, CallMessage, CallPart
from lumina_streams.core.series.command import command
from lumina_streams.core.series.quiet import advance
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, cold_version, step

START_NS = 1_767_261_600_000_000_000  # 2026-01-01 10:00 UTC
AT = "2026-01-01T10:00:00Z"
TEXT = (
    "order parcel refund invoice customer account delivery address carrier tracking number "
    "payment card shipping return policy item colour size stock warehouse delay email phone "
    "support agent ticket please check your the we have has been will to from on in by and with "
    "for our today tomorrow Monday status update"
)
WORDS = TEXT.split()


def message(role: str, text: str) -> CallMessage:
    return CallMessage(role, (CallPart("text", text),))


@dataclass
class Traffic:
    """A series' calls: log-normal cost, a few recurring prompts with varied answers."""

    seed: int = 0
    sigma: float = 0.4
    usd: float = 0.004
    gap_s: float = 6.0
    prompts: int = 5
    model: str = "gpt-4o-mini"
    content: bool = True
    n: int = 0
    now_ns: int = START_NS
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.usual = [self.rng.choices(WORDS, k=self.rng.randint(30, 60)) for _ in range(self.prompts)]

    def answer(self, prompt: int) -> str:
        """A usual answer: a fifth of the words differ each time."""
        return " ".join(
            self.rng.choice(WORDS) if self.rng.random() < 0.2 else word for word in self.usual[prompt]
        )

    def call(self, times: float = 1.0, answer: str | None = None, **fields: Any) -> Call:
        """The next call; `times` multiplies its cost."""
        prompt = self.rng.randrange(self.prompts)
        usd = self.usd * self.rng.lognormvariate(0, self.sigma) * times
        usual = self.answer(prompt)
        self.now_ns += int(self.rng.expovariate(1 / self.gap_s) * 1e9) + 1
        self.n += 1
        content: dict[str, Any] = {}
        if self.content:
            question = f"Question {chr(65 + prompt)}: where is my order, and what do I do about it?"
            content = {
                "input_messages": (message("user", question),),
                "output_messages": (message("assistant", usual if answer is None else answer),),
            }
        values: dict[str, Any] = {
            "src": Source("epoch", "otlp", 0, self.n, 0),
            "series_id": series_id("demo", "checkout", "answer"),
            "project": "demo",
            "service": "checkout",
            "endpoint": "answer",
            "trace_id": f"{self.n:032x}",
            "span_id": f"{(self.seed << 40) + self.n:016x}",
            "start_ns": self.now_ns,
            "duration_ms": 800.0,
            "kind": "llm",
            "status": "ok",
            "request_model": self.model,
            "input_tokens": int(1000 * self.rng.lognormvariate(0, 0.2)),
            "output_tokens": int(200 * self.rng.lognormvariate(0, 0.2)),
            "cost_usd": usd,
            "priced": True,
            **content,
            **fields,
        }
        return Call(**values)

    def calls(self, count: int, times: float = 1.0, answer: str | None = None, **fields: Any) -> list[Call]:
        return [self.call(times, answer, **fields) for _ in range(count)]


@dataclass
class Bench:
    """A series' state with everything it published."""

    rules: Rules = field(default_factory=Rules)
    state: SeriesState = field(
        default_factory=lambda: SeriesState.fresh(
            series_id("demo", "checkout", "answer"), "demo", "checkout", "answer"
        )
    )
    alerts: list[Alert] = field(default_factory=list)
    clock_ms: int = 0

    def feed(self, calls: Iterable[Call]) -> list[Alert]:
        """Apply calls; returns what these calls made it publish."""
        news: list[Alert] = []
        for call in calls:
            if self.state.positions.advance(call.src):
                news += step(self.state, call, self.rules, AT, self.clock_ms)
        self.alerts += news
        return news

    def tick(self, clock_ms: int) -> list[Alert]:
        """Let the log's clock go on; returns what that made the series publish."""
        self.clock_ms = clock_ms
        news = advance(self.state, clock_ms, self.rules, AT)
        self.alerts += news
        return news

    def ask(self, kind: Any, **fields: Any) -> list[Alert]:
        """Command something about the newest alert; returns what that made the series publish."""
        alert_id = self.alerts[-1].id if self.alerts else "none"
        values = {"alert_id": alert_id, "series_id": self.state.hot.series_id, "by": "ada"} | fields
        news = command(self.state, Command(v=1, type=kind, **values), self.rules, AT, self.clock_ms)
        self.alerts += news
        return news

    def after(self, hours: float) -> datetime:
        """A time so long after the series' newest call."""
        return datetime.fromtimestamp(self.state.hot.newest_ms / 1000, UTC) + timedelta(hours=hours)

    def feed_until(self, calls: Iterable[Call], wanted: Callable[[Alert], bool]) -> tuple[int, Alert]:
        """Apply calls until an alert is as wanted; returns (calls needed, alert)."""
        for count, call in enumerate(calls, 1):
            for alert in self.feed([call]):
                if wanted(alert):
                    return count, alert
        raise AssertionError(f"no such alert among {[(a.kind, a.state) for a in self.alerts]}")


def fresh(series: str = "s") -> SeriesState:
    """The state of a series that was never seen."""
    return SeriesState.fresh(series, "demo", "checkout", "answer")


def apply(state: SeriesState, calls: Iterable[Call], rules: Rules | None = None) -> list[Alert]:
    """Apply calls as the agent does; returns what they made the series publish."""
    news: list[Alert] = []
    asked = Rules() if rules is None else rules
    for call in calls:
        if state.positions.advance(call.src):
            news += step(state, call, asked, AT)
    return news


class Table:
    """Two cold slots and a hot value of one series, written as the agent does: cold first."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def write(self, state: SeriesState) -> None:
        """Both, as at the end of a run."""
        self.write_cold(state)
        self.write_hot(state)

    def write_cold(self, state: SeriesState) -> None:
        """The cold state, where it has changed."""
        if state.cold_dirty:
            self.values[f"c{state.cold_version % 2}"] = state.pack_cold()

    def write_hot(self, state: SeriesState) -> None:
        """The hot state."""
        self.values["h"] = state.pack_hot()

    def load(self) -> SeriesState:
        """The state that the values make."""
        hot = self.values.get("h")
        if hot is None:
            return fresh()
        version = cold_version(hot)
        return SeriesState.unpack(hot, self.values[f"c{version % 2}"] if version else None)
