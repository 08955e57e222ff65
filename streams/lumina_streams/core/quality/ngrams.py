"""Likeness of wording: character trigrams, hashed and weighted by how rare they are among a series' answers.

Survives other word order, inflection and typing errors, which a comparison word by word does not. It knows
no synonyms and no facts: "Paris" and "London" are one word of many. What two answers have in common by
chance grows with their length, so a cosine means something only beside others of the same series.

Flow: `count_grams(text)` -> `Rarity.learn` for answers to learn from, `Rarity.weigh` for texts to compare ->
`cosine`, `containment`. Weights are (1 + ln tf) ln((2 + answers) / (1 + df)), after Manning, Raghavan and
Schütze, "Introduction to Information Retrieval", 6.4, but next to nothing for what all answers show: two
letters with the same greeting and footer have little in common. Sizes: `bench/similarity.py --sizes`.

So what is learned must be answers to *other* prompts, one each: taught by rewordings of the very answer that
a text is compared with, it would weigh only their differences. Taught nothing, all trigrams weigh the same.
"""

import re
import struct
import unicodedata
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from math import log, sqrt
from typing import Self

HEAD_CHARS, TAIL_CHARS = 3000, 1000  # what is looked at of a longer text
DIMENSIONS = 8191  # a prime: trigrams spread evenly over the remainders
MOST_ANSWERS = 4000  # then all counts are halved, so that old answers fade; fits 16 bits
MEMO_WORDS = 8192  # 4 MB: words recur within a series, and hashing one takes ten times as long as finding it

# A Han character is a word; of all other scripts, words are letters between space and punctuation. Not \w:
# the combining vowels of Indic scripts and of Thai belong to their words. At most 32 letters, so that the
# memo stays small; what writes no spaces, or is no language, is cut there.
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BREAKS = (
    r"\s\x00-/:-@\[-`{-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u060c\u061b\u061f\u0964\u0965"
    r"\u200b\u2010-\u205e\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_find_words = re.compile(f"[{_HAN}]|[^{_BREAKS}{_HAN}]{{1,32}}").findall
_find_ascii_words = re.compile("[0-9a-z]{1,32}").findall
_find_marks = re.compile(r"\S{1,32}").findall

_FIRST, _SECOND = 7_368_787, 15_485_863  # primes
_TF = [0.0, *(1 + log(times) for times in range(1, 3 * (HEAD_CHARS + TAIL_CHARS)))]
_PACKED = struct.Struct(f"<{1 + DIMENSIONS}H")

Counts = dict[int, int]
"""Dimension (0 to 8190) -> how often its trigrams occur in a text."""


def count_grams(text: str) -> Counts:
    """Hashed trigrams of a text's words; forms of letters, case, space and marks make no difference.

    Empty for a text of nothing but space. Takes any `str`, lone surrogates included.
    """
    if len(text) > HEAD_CHARS + TAIL_CHARS:
        text = text[:HEAD_CHARS] + " " + text[-TAIL_CHARS:]
    words = _find_ascii_words(text.lower()) if text.isascii() else _find_words(text)
    return Counter(chain.from_iterable(map(_dimensions, words or _find_marks(text))))


@lru_cache(MEMO_WORDS)
def _dimensions(word: str) -> tuple[int, ...]:
    """Where the trigrams of a word are counted, a space before and behind it included.

    Words are normalised here, where it is remembered: for a whole text it takes longer than all the rest.
    """
    letters = unicodedata.normalize("NFKC", word).casefold()[:64]  # one ligature may become 18
    codes = [32, *map(ord, letters), 32]
    trigrams = zip(codes, codes[1:], codes[2:], strict=False)
    return tuple([(_FIRST * one + _SECOND * two + three) % DIMENSIONS for one, two, three in trigrams])


class Vector:
    """A text's weighted trigrams: `weights` by dimension, their Euclidean `length` and their `total`."""

    __slots__ = ("length", "total", "weights")

    def __init__(self, weights: dict[int, float]) -> None:
        self.weights = weights
        self.length = sqrt(sum([weight * weight for weight in weights.values()]))
        self.total = sum(weights.values())


class Rarity:
    """In how many answers each dimension occurs: one answer a prompt. 16 kB, whatever it is shown."""

    __slots__ = ("_answers", "_factors", "_seen")

    def __init__(self) -> None:
        self._answers = 0
        self._seen = array("H", bytes(2 * DIMENSIONS))
        self._factors: list[float] | None = None  # by how many answers show a dimension

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Learned from these answers."""
        rarity = cls()
        for text in texts:
            rarity.learn(count_grams(text))
        return rarity

    def learn(self, counts: Counts) -> None:
        """Count one answer. Up to 4,000 answers their order makes no difference."""
        if self._answers == MOST_ANSWERS:
            self._answers //= 2
            self._seen = array("H", [count // 2 for count in self._seen])
        seen = self._seen
        for dimension in counts:
            seen[dimension] += 1
        self._answers += 1
        self._factors = None

    def without(self, counts: Counts) -> Self:
        """What it would be without an answer that it has learned: to compare texts with that one.

        Raises OverflowError where the answer cannot have been learned.
        """
        rest = type(self)()
        rest._answers = self._answers - 1
        rest._seen = array("H", self._seen)
        for dimension in counts:
            rest._seen[dimension] -= 1
        return rest

    def weigh(self, counts: Counts) -> Vector:
        """The vector of a text. Vectors weighed before and after a `learn` are not to be compared."""
        factors = self._factors
        if factors is None:
            answers = self._answers
            factors = self._factors = [log((2 + answers) / (1 + df)) for df in range(answers + 1)]
        seen, tf = self._seen, _TF
        return Vector(
            {dimension: tf[times] * factors[seen[dimension]] for dimension, times in counts.items()}
        )

    def pack(self) -> bytes:
        """Compressed; the same answers give the same bytes."""
        return zlib.compress(_PACKED.pack(self._answers, *self._seen), 1)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Inverse of `pack`. Raises ValueError for what `pack` did not make."""
        rarity = cls()
        try:
            rarity._answers, *seen = _PACKED.unpack(zlib.decompress(data))
        except (zlib.error, struct.error) as error:
            raise ValueError(f"not a packed Rarity: {error}") from error
        if rarity._answers > MOST_ANSWERS or max(seen) > rarity._answers:
            raise ValueError("not a packed Rarity: more occurrences than answers")
        rarity._seen = array("H", seen)
        return rarity


def cosine(one: Vector, other: Vector) -> float:
    """Cosine of two texts' vectors, 0 to 1; 1 for the same trigrams in the same number, or none in both."""
    few, many = one.weights, other.weights
    if not few or not many:
        return float(few == many)
    if len(few) > len(many):
        few, many = many, few
    dot = sum([weight * many[dimension] for dimension, weight in few.items() if dimension in many])
    return min(dot / (one.length * other.length), 1.0)


def containment(text: Vector, reference: Vector) -> float:
    """Which weighted share of the reference's trigrams a text covers, 0 to 1.

    Text that is added never lowers it: a longer answer that holds everything scores 1. So does a text that
    is long enough by chance; look at it beside the cosine.
    """
    if not reference.weights:
        return 1.0
    mine = text.weights
    covered = [
        min(weight, mine[dimension]) for dimension, weight in reference.weights.items() if dimension in mine
    ]
    return min(sum(covered) / reference.total, 1.0)


def nearest(text: Vector, references: Iterable[Vector]) -> float:
    """Cosine with the reference that is nearest; 0 where there is none."""
    return max([cosine(text, reference) for reference in references], default=0.0)
