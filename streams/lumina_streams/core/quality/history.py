"""What a series' answers were: how often each sign occurs, and how alike to earlier ones they are. Counts.

All counts are whole numbers in few bins: any order gives the same, folds are cheap, and old calls fade
(everything is halved at `MOST_CALLS`).
"""

from math import log2
from typing import NamedTuple, get_args

from msgspec import Struct, field

from lumina_schemas.score import QualityReason
from lumina_streams.core.quality.references import NEARNESSES

SIGNS: tuple[QualityReason, ...] = tuple(reason for reason in get_args(QualityReason) if reason)
PLACES: dict[str, int] = {sign: place for place, sign in enumerate(SIGNS)}
MOST_CALLS = 4000
BINS = 40
LANGUAGES = 8
VERSIONS = 3  # of the prompt, whose lengths are known
LENGTH_STEPS = 3.0  # bins of the length: a factor of 2 ** (1 / 3) each
RATIO_STEPS = 5.0  # bins of the length: a factor of 2 ** (1 / 5) each, from 2 ** -4 on
RATIO_MIDDLE = BINS // 2


class Reading(NamedTuple):
    """What an answer shows, as it is counted. 255 = unknown."""

    quality: int  # score in steps of 1 / 200
    signs: int  # bits, by place in SIGNS
    judged: int  # bits: signs that could have shown
    recall: int  # bin
    nearness: int  # place in NEARNESSES
    echo: int  # bin
    ratio: int  # bin
    likeness: int  # bin of the score by likeness
    json: bool
    language: str
    length: int  # bin
    version: int  # of the prompt: a hash


def bin_of(share: float) -> int:
    """Bin of a number from 0 to 1."""
    return min(int(share * BINS), BINS - 1)


def ratio_bin(ratio: float) -> int:
    """Bin of a length over the usual one."""
    return min(max(int(log2(max(ratio, 1e-9)) * RATIO_STEPS + RATIO_MIDDLE), 0), BINS - 1)


def length_bin(length: int) -> int:
    """Bin of a length in characters, one at least."""
    return min(int(log2(length) * LENGTH_STEPS), BINS - 1)


def _bins() -> list[int]:
    return [0] * BINS


class History(Struct, array_like=True):
    """Counts over judged answers."""

    scored: int = 0
    json: int = 0
    trials: list[int] = field(default_factory=lambda: [0] * len(SIGNS))
    hits: list[int] = field(default_factory=lambda: [0] * len(SIGNS))
    recall: list[list[int]] = field(default_factory=lambda: [_bins() for _ in NEARNESSES])
    echo: list[int] = field(default_factory=_bins)
    ratio: list[int] = field(default_factory=_bins)
    likeness: list[int] = field(default_factory=_bins)
    quality: list[int] = field(default_factory=_bins)
    languages: dict[str, int] = field(default_factory=dict)
    lengths: dict[int, list[int]] = field(default_factory=dict)  # by prompt version

    def add(self, reading: Reading) -> None:
        """Count one answer."""
        self.scored += 1
        self.json += reading.json
        judged, signs = reading.judged, reading.signs
        for place, trials in enumerate(self.trials):
            if judged >> place & 1:
                self.trials[place] = trials + 1
                self.hits[place] += signs >> place & 1
        if reading.recall < BINS:
            self.recall[reading.nearness][reading.recall] += 1
        if reading.echo < BINS:
            self.echo[reading.echo] += 1
        if reading.ratio < BINS:
            self.ratio[reading.ratio] += 1
        if reading.likeness < BINS:
            self.likeness[reading.likeness] += 1
        self.quality[bin_of(reading.quality / 200)] += 1
        if reading.length < BINS:
            self._length(reading.version)[reading.length] += 1
        if reading.language:
            languages = self.languages
            if reading.language in languages or len(languages) < LANGUAGES:
                languages[reading.language] = languages.get(reading.language, 0) + 1

    def _length(self, version: int) -> list[int]:
        """Bins of a version; the one with the fewest answers makes room."""
        lengths = self.lengths
        if version not in lengths:
            if len(lengths) >= VERSIONS:
                fewest = min(lengths, key=lambda other: (sum(lengths[other]), other))
                del lengths[fewest]
            lengths[version] = _bins()
        return lengths[version]

    def try_aside(self, place: int, trials: int, hits: int) -> None:
        """Count spans beside the answers: tools, retrievals."""
        self.trials[place] += trials
        self.hits[place] += hits

    def merge(self, other: "History") -> None:
        """Add another history's counts."""
        self.scored += other.scored
        self.json += other.json
        for mine, theirs in self._lists(other):
            mine[:] = [a + b for a, b in zip(mine, theirs, strict=True)]
        for language, count in other.languages.items():
            if language in self.languages or len(self.languages) < LANGUAGES:
                self.languages[language] = self.languages.get(language, 0) + count
        self.languages = dict(sorted(self.languages.items()))
        for version, bins in other.lengths.items():
            mine = self._length(version)
            mine[:] = [a + b for a, b in zip(mine, bins, strict=True)]

    def fade(self) -> None:
        """Halve everything where enough was counted."""
        if self.scored < MOST_CALLS and max(self.trials) < MOST_CALLS:
            return
        self.scored //= 2
        self.json //= 2
        for mine, _ in self._lists(self):
            mine[:] = [count // 2 for count in mine]
        self.languages = {name: count // 2 for name, count in self.languages.items() if count > 1}
        for bins in self.lengths.values():
            bins[:] = [count // 2 for count in bins]

    def _lists(self, other: "History") -> list[tuple[list[int], list[int]]]:
        return [
            (self.trials, other.trials),
            (self.hits, other.hits),
            (self.echo, other.echo),
            (self.ratio, other.ratio),
            (self.likeness, other.likeness),
            (self.quality, other.quality),
            *zip(self.recall, other.recall, strict=True),
        ]


def quantile(bins: list[int], q: float) -> float:
    """Value at a quantile of bins from 0 to 1, inside of a bin as if its values lay evenly; 1 where none."""
    total = sum(bins)
    rank = q * total
    seen = 0
    for place, count in enumerate(bins):
        if count and seen + count >= rank:
            return (place + (rank - seen) / count) / BINS
        seen += count
    return 1.0


def share_below(bins: list[int], value: float) -> float:
    """Share of what lies below a value."""
    total = sum(bins)
    edge = min(int(round(value * BINS, 6)), BINS)
    return sum(bins[:edge]) / total if total else 0.0
