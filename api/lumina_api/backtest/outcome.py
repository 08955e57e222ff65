"""What a backtest prints: each transition of an alert as a line of JSON, and its summary."""

import gc
import sys
import time
from collections.abc import Callable, Iterable

import msgspec

from lumina_api.backtest.summary import Comparison, Raised, Summary, Tale, compared
from lumina_api.backtest.trial import Trial
from lumina_api.text import plain
from lumina_schemas.alert import Alert
from lumina_streams.core.baseline.moment import rfc3339

PROGRESS_S = 10.0
NAMED = 20  # alerts that the summary names of each kind
ALL = (0, 2**62)

_encode = msgspec.json.Encoder().encode


def transition_line(alert: Alert) -> bytes:
    """The alert's record, with `event_time`: when, by the calls' own times, it came to this state."""
    return b'{"event_time":"%s",%s\n' % (alert.updated_at.encode(), _encode(alert)[1:])


class Outcome:
    """Takes what a trial publishes, prints what lies in the asked time, and counts."""

    def __init__(self, write: Callable[[bytes], object], within: tuple[int, int] = ALL) -> None:
        self.tale = Tale()
        self.unreadable = self.others = 0
        self._write = write
        self._since, self._until = within
        self._began = self._said = time.monotonic()

    def publish(self, alert: Alert) -> None:
        """Take a record of an alert; print it where its state or its history is news."""
        if self.tale.take(alert) and self.is_asked(Tale.moment(alert)):
            self._write(transition_line(alert))

    def is_asked(self, at_ms: int) -> bool:
        """Whether an event time lies in the asked time."""
        return self._since <= at_ms < self._until

    def raised(self) -> list[Raised]:
        """The alerts that opened in the asked time."""
        return [one for one in self.tale.raised.values() if self.is_asked(one.opened_ms)]

    def progress(self, trial: Trial) -> None:
        """Say on stderr how far it is, every ten seconds."""
        now = time.monotonic()
        if now >= self._said + PROGRESS_S:
            self._said = now
            raised = len(self.tale.raised)
            print(f"{trial.calls:,} calls, {rfc3339(trial.last_ms)}, {raised:,} alerts", file=sys.stderr)

    def summary(self, trial: Trial, fired: Iterable[Raised] | None) -> Summary:
        """All of it in numbers. `fired`: alerts that did fire, None where that is not known."""
        seconds = time.monotonic() - self._began
        raised = self.raised()
        summary = Summary(
            calls=trial.calls,
            series=len(trial.states),
            first=rfc3339(trial.first_ms) if trial.calls else None,
            last=rfc3339(trial.last_ms) if trial.calls else None,
            duplicates=trial.duplicates,
            failed=trial.failed,
            unreadable=self.unreadable,
            others=self.others,
            seconds=round(seconds, 3),
            us_per_call=round(seconds / trial.calls * 1e6, 1) if trial.calls else None,
            against=None if fired is None else compared(raised, fired),
        )
        summary.count(raised)
        return summary


def settle_memory() -> None:
    """Let the garbage collector look at new objects seldom, and never at what is there: states live long, and
    calls go as they come.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def lines(summary: Summary) -> list[str]:
    """A summary for people."""
    found = [f"{summary.calls:,} calls of {summary.series:,} series"]
    if summary.first and summary.last:
        found[0] += f", {summary.first} to {summary.last}"
    found[0] += f", in {summary.seconds:.1f} s."
    for number, said in (
        (summary.duplicates, "calls were delivered twice, and count once"),
        (summary.failed, "calls made the detection fail: a bug, please report it"),
        (summary.unreadable, "could not be read, and are left out"),
        (summary.others, "lines are no calls"),
    ):
        if number:
            found.append(f"{number:,} {said}.")
    if not summary.alerts:
        found.append("No alert.")
    else:
        found.append(f"{summary.alerts:,} alert{'' if summary.alerts == 1 else 's'}.")
        for title, counts in (
            ("by kind", summary.by_kind),
            ("by week", summary.by_week),
            ("by project", summary.by_project),
        ):
            some = ", ".join(f"{plain(name, 60)} {number:,}" for name, number in counts.items())
            found.append(f"  {title}: {some}")
    return found + (_against(summary.against) if summary.against else [])


def _against(against: Comparison) -> list[str]:
    found = [
        f"{against.fired:,} did fire: {against.same:,} of them now too, "
        f"{len(against.only_then):,} only then, {len(against.only_now):,} only now."
    ]
    for title, alerts in (("only then", against.only_then), ("only now", against.only_now)):
        for one in alerts[:NAMED]:
            found.append(f"  {title}: {one.opened_at}  {one.id}  {plain(one.summary, 200)}")
        if len(alerts) > NAMED:
            found.append(f"  {title}: {len(alerts) - NAMED:,} more; --summary json names them")
    if against.marked_false:
        found.append(
            f"{against.marked_false:,} were marked false, {against.marked_false_now:,} of them raised now: "
            f"precision {_percent(against.precision_then)} then, {_percent(against.precision_now)} now "
            "(of those that did fire)."
        )
    return found


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"
