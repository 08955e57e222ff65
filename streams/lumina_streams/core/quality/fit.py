"""What decides about answers until the next fold, learned from the history of answers."""

from functools import lru_cache
from math import log

from msgspec import Struct

from lumina_streams.core.baseline.budget import thresholds
from lumina_streams.core.baseline.sequential import LEAST_CALLS, against, fourfold
from lumina_streams.core.baseline.windows import Baselines
from lumina_streams.core.quality.history import (
    BINS,
    LENGTH_STEPS,
    PLACES,
    RATIO_MIDDLE,
    RATIO_STEPS,
    SIGNS,
    History,
    quantile,
    ratio_bin,
    share_below,
)
from lumina_streams.core.quality.references import NEARNESSES, Nearness
from lumina_streams.core.series.rules import Rules

PRIOR_CALLS = 50.0  # one bad in fifty
LEAST_SHARE = 0.003
COMMON = 0.5  # a sign on more than so many answers is no news
SHARES = (0.25, 0.8)  # alternatives
LEARNING_SHARES = (0.9, 0.9)  # only nearly unanimous calls count
ANY = len(SIGNS)
"""Place of the test of all signs together: an incident may show several."""

TESTS = (len(SIGNS) + 1) * len(SHARES)
OTHERS_TESTS = 3.0  # of a signal, as the budget counts them
JSON_CALLS = 20
JSON_SHARE = 0.9
USUAL_LANGUAGE = 0.02
PLACED = 0.3  # share of answers with references from which a series has prompts that are alike
LOW = 0.02  # share of a series' own answers that score below .7
FALL = 0.4  # ... and the part of the usual recall from which an answer can score so
ECHO_FALL = 0.4
LEAST_LOW = 0.15  # of the median: hardly anything in common; where more than ...
MOST_LOW = 0.05  # ... of the answers are so, that says nothing
LEAST_RECALL = 0.2  # of the usual answer: below, answers share so little that likeness says nothing
LEAST_ECHO = 0.15
SHORT_BINS = 5.0  # of the length, below the middle: half as long
LEAST_N = 20
LEAST_LENGTHS = 50


class Usual(Struct, frozen=True, array_like=True):
    """Where a measure of likeness usually lies: scores are 1 at the median, .7 at `low`, 0 at 0."""

    median: float = 0.0
    low: float = 0.0

    def score(self, value: float) -> float:
        """0 to 1."""
        if value >= self.median:
            return 1.0
        if value >= self.low:
            return 1.0 - 0.3 * (self.median - value) / (self.median - self.low)
        return 0.7 * value / self.low


NEVER = Usual()


class QualityTest(Struct, frozen=True, array_like=True):
    """What decides about quality until the next fold."""

    n: int = 0
    ready: bool = False
    bases: tuple[float, ...] = ()  # usual share of each sign, and of any; 0: no test
    recall: tuple[Usual, ...] = ()  # by nearness
    echo: Usual = NEVER
    languages: tuple[str, ...] = ()
    answers_json: bool = False
    short: float = 0.0  # length over the usual one, below which an answer is short; 0: no test
    lengths: dict[int, float] = {}  # of a prompt version: characters below which an answer is short
    grounded: bool = False  # few prompts are like earlier ones: numbers are looked for in the prompt alone
    free: bool = False  # answers to like prompts share too little for likeness to say something
    bad_share: float = 0.0
    p50: float = 1.0
    p95: float = 1.0
    window: str = ""
    alone_h: float = 0.0
    joint_h: float = 0.0

    @property
    def in_force(self) -> bool:
        """Whether there are enough answers to judge at all."""
        return self.n >= LEAST_CALLS

    def usual(self, nearness: Nearness) -> Usual | None:
        """Where recall usually lies for prompts as near as this; None before anything was learned."""
        return self.recall[NEARNESSES.index(nearness)] if self.recall else None

    def gains(self, place: int, shown: bool) -> tuple[float, ...]:
        """Nats of an answer that shows a sign, or could have."""
        base = self.bases[place] if self.bases else 0.0
        if base <= 0.0:
            return (0.0,) * len(SHARES)
        return share_gains(base, self.ready)[0 if shown else 1]


@lru_cache(4096)
def share_gains(base: float, ready: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nats (of a hit, of a miss) for each alternative, against a usual share."""
    shares = SHARES if ready else LEARNING_SHARES
    coins = [against(base, max(suspected, fourfold(base))) for suspected in shares]
    return tuple(coin.hit for coin in coins), tuple(coin.miss for coin in coins)


def fit_quality(baselines: Baselines, history: History, rules: Rules, now_ms: int) -> QualityTest:
    """Learn what decides about quality from the history."""
    n = history.scored
    ready = n >= rules.min_samples
    window, scores = baselines.reference("quality")
    limits = thresholds(ready, baselines.rate_per_min(now_ms), rules)
    more = log(TESTS / OTHERS_TESTS) if ready else 0.0
    recall = tuple(_usual(bins, FALL, LEAST_RECALL) for bins in history.recall)
    compared = sum(map(sum, history.recall))
    short = _short(history.ratio)
    answers_json = n >= JSON_CALLS and history.json >= JSON_SHARE * n
    told = sum(history.languages.values())
    languages = {name: count for name, count in history.languages.items() if count >= USUAL_LANGUAGE * told}
    counted = {sign: (history.hits[place], history.trials[place]) for sign, place in PLACES.items()}
    # What could not be judged at first counts all the same: a young series has been like this all along.
    counted["invalid_json"] = (n - history.json, n) if answers_json else (0, 0)
    counted["language"] = (told - sum(languages.values()), told)
    if short:
        below = sum(history.ratio[: ratio_bin(short)]), sum(history.ratio)
        counted["short"] = max(below, counted["short"], key=lambda counts: counts[1])
    lengths = {version: _short_length(bins) for version, bins in history.lengths.items()}
    counted["unlike"] = _unlike(history, recall, rules.quality_min)
    bad_share = share_below(history.quality, rules.quality_min)
    bases = [*(_base(*counted[sign]) for sign in SIGNS), _base(round(bad_share * n), n)]
    return QualityTest(
        n=n,
        ready=ready,
        bases=tuple(round(base, 6) for base in bases),
        recall=recall,
        echo=_usual(history.echo, ECHO_FALL, LEAST_ECHO),
        languages=tuple(languages) if told >= LEAST_N else (),
        answers_json=answers_json,
        short=short,
        lengths={version: least for version, least in lengths.items() if least > 0.0},
        grounded=PLACED * n > compared,
        free=compared < LEAST_N or all(usual.low <= 0.0 for usual in recall),
        bad_share=bad_share,
        p50=min(scores.quantile(0.5), 1.0),
        p95=min(scores.quantile(0.95), 1.0),
        window=window,
        alone_h=limits.alone + more,
        joint_h=limits.joint + more / 2,
    )


def _short_length(bins: list[int]) -> float:
    """Characters below which an answer is short for its prompt version; 0 where that is not known."""
    if sum(bins) < LEAST_LENGTHS:
        return 0.0
    low, median = quantile(bins, LOW / 2), quantile(bins, 0.5)
    return float(2.0 ** (min(low * BINS, median * BINS - LENGTH_STEPS) / LENGTH_STEPS))


def _unlike(history: History, recall: tuple[Usual, ...], quality_min: float) -> tuple[int, int]:
    """(answers that score below by likeness, of all): as they scored, or as they would have."""
    compared = sum(sum(bins) for bins, usual in zip(history.recall, recall, strict=True) if usual.low > 0)
    scored = sum(history.likeness)
    if scored >= compared / 2:
        below = share_below(history.likeness, quality_min)
        return round(below * scored), scored
    hits = 0
    for bins, usual in zip(history.recall, recall, strict=True):
        if usual.low > 0:
            hits += round(share_below(bins, usual.low) * sum(bins))
    return hits, compared


def _base(hits: int, trials: int) -> float:
    if trials < LEAST_CALLS or hits >= COMMON * trials:
        return 0.0
    base = max((hits + 1) / (trials + PRIOR_CALLS), LEAST_SHARE)
    return base if base < COMMON else 0.0


def _usual(bins: list[int], fall: float, least: float) -> Usual:
    if sum(bins) < LEAST_N:
        return NEVER
    median = quantile(bins, 0.5)
    if median < least:
        return NEVER
    low, least_low = min(quantile(bins, LOW), fall * median), LEAST_LOW * median
    if low < least_low:
        if share_below(bins, least_low) > MOST_LOW:
            return NEVER
        low = least_low
    return Usual(round(median, 4), round(low, 4))


def _short(bins: list[int]) -> float:
    if sum(bins) < LEAST_N:
        return 0.0
    low = quantile(bins, LOW / 2) * BINS - RATIO_MIDDLE
    return float(2.0 ** (min(low, -SHORT_BINS) / RATIO_STEPS))
