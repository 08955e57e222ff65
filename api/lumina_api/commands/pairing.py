"""Calls and their scores, which come on two topics in either order: joined for those who watch both.

A call that may be judged waits for its score, for a moment and never longer; all others pass at once.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from lumina_schemas.score import Score
from lumina_schemas.span import Span

WAIT_S = 2.0

# So many lines may wait at once; with more, as when an old log is read, the first one goes without its score.
MOST_WAITING = 1_000

# So many scores are kept for calls that come after them: scores are small, and read ahead of a log of spans.
MOST_SCORES = 20_000

Key = tuple[str, str, str]


class Judged(NamedTuple):
    """A call, and its score where it is known."""

    span: Span
    score: Score | None


class Pairing:
    """The calls that wait, and the scores that came first. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[Key, tuple[Span, float]] = OrderedDict()
        self._scores: OrderedDict[Key, Score] = OrderedDict()

    def span(self, span: Span, now: float) -> Iterator[Judged]:
        """Take a span; gives it back at once where it need not wait."""
        key = (span.project, span.trace_id, span.span_id)
        score = self._scores.pop(key, None)
        if score is not None or not may_be_judged(span) or key in self._waiting:
            yield Judged(span, score)
            return
        self._waiting[key] = (span, now + WAIT_S)
        if len(self._waiting) > MOST_WAITING:
            _, (first, _) = self._waiting.popitem(last=False)
            yield Judged(first, None)

    def score(self, score: Score) -> Iterator[Judged]:
        """Take a score; gives its call if that waits for it."""
        key = (score.project, score.trace_id, score.span_id)
        if waiting := self._waiting.pop(key, None):
            yield Judged(waiting[0], score)
            return
        self._scores[key] = score
        self._scores.move_to_end(key)
        if len(self._scores) > MOST_SCORES:
            self._scores.popitem(last=False)

    def due(self, now: float) -> Iterator[Judged]:
        """The calls that have waited long enough, first come first."""
        while self._waiting:
            span, until = next(iter(self._waiting.values()))
            if until > now:
                return
            self._waiting.popitem(last=False)
            yield Judged(span, None)

    def wait_s(self, now: float) -> float | None:
        """Until the next call is due; None where none waits."""
        for _, until in self._waiting.values():
            return max(0.0, until - now)
        return None


def may_be_judged(span: Span) -> bool:
    """Whether detection may have a score for it: an answer of a model, with its text."""
    return (
        span.kind == "llm"
        and span.status != "error"
        and not span.duplicate_of
        and not span.clock_skew
        and bool(span.output_messages or span.tool_calls or span.input_messages)
    )
