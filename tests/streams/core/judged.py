"""A series as far as its answers go: what it learned, and what a further answer is worth."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lumina_streams.core.baseline.windows import Baselines
from lumina_streams.core.quality.candidate import candidate_of
from lumina_streams.core.quality.fit import QualityTest, fit_quality
from lumina_streams.core.quality.history import PLACES, History
from lumina_streams.core.quality.references import References
from lumina_streams.core.quality.score import Verdict, judge
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules
from streams.core.bench import Traffic, message

FOLD = 8


def shown(verdict: Verdict) -> set[str]:
    """Names of the signs of an answer."""
    return {sign for sign, place in PLACES.items() if verdict.signs >> place & 1}


def could_show(verdict: Verdict) -> set[str]:
    """Names of the signs that were looked for."""
    return {sign for sign, place in PLACES.items() if verdict.judged >> place & 1}


@dataclass
class Judged:
    """References, history and test of a series, without signals and alerts: every answer teaches."""

    rules: Rules = field(default_factory=lambda: Rules(min_samples=40))
    references: References = field(default_factory=References)
    history: History = field(default_factory=History)
    test: QualityTest = field(default_factory=QualityTest)
    traffic: Traffic = field(default_factory=lambda: Traffic(content=False))
    folds: int = 0

    def call(self, question: str, answer: str, **fields: Any) -> Call:
        """The next call."""
        content: dict[str, Any] = {
            "input_messages": (message("user", question),),
            "output_messages": (message("assistant", answer),),
        }
        return self.traffic.call(**(content | fields))

    def say(self, question: str, answer: str, **fields: Any) -> Verdict:
        """Judge an answer, teaching nothing."""
        verdict = judge(self.call(question, answer, **fields), self.references, self.test, self.rules)
        assert verdict is not None
        return verdict

    def learn(self, exchanges: Iterable[tuple[str, str]], **fields: Any) -> None:
        """Judge answers and learn them, a fold each `FOLD` calls."""
        pending: list[tuple[Call, Verdict]] = []
        for question, answer in exchanges:
            call = self.call(question, answer, **fields)
            verdict = judge(call, self.references, self.test, self.rules)
            assert verdict is not None
            pending.append((call, verdict))
            if len(pending) == FOLD:
                self._fold(pending)
        self._fold(pending)

    def _fold(self, pending: list[tuple[Call, Verdict]]) -> None:
        self.folds += 1
        candidates = []
        for call, verdict in pending:
            self.history.add(verdict.reading)
            if verdict.prompt is not None and verdict.answer.text:
                candidates.append(candidate_of(call, verdict, self.references))
        self.references.learn(candidates, [], self.folds)
        self.references.see(key for candidate in candidates for key in (candidate.exact, candidate.template))
        pending.clear()
        self.test = fit_quality(Baselines(), self.history, self.rules, self.traffic.now_ns // 1_000_000)


def varied(rng: random.Random, *wordings: str, **values: Any) -> str:
    """One of several wordings, filled in."""
    return rng.choice(wordings).format(**values)
