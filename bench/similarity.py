"""How near each local comparison of two texts comes to people's judgement, and what it costs.

`--pairs` names CSV files of sentence, sentence, score (0 to 5), such as the development split of STS-B. For
each: Spearman's correlation with the score; how well "the same in other words" (4 or more) and "something
else" (1 or less) are told apart, for single sentences and for answers of several sentences joined; and what
becomes of answers that tier 1 alone would report.
"""

import argparse
import csv
import json
import random
import re
import sys
import time
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import log, sqrt
from pathlib import Path
from statistics import correlation, fmean, median
from typing import Any, NamedTuple

from rapidfuzz.distance import Indel

from lumina_streams.core.quality import ngrams
from lumina_streams.core.quality import terms as vocabulary
from lumina_streams.core.quality.fit import FALL
from machine import facts

SAME, DIFFERENT = 4.0, 1.0
KEPT = 0.98  # of the same that a threshold has to keep, of the different that it has to hold back
CASES = {"short": (1, 0), "medium": (5, 0), "long": (15, 0), "letter": (3, 10)}
"""Sentences of their own, and sentences that all answers share."""
MOST = max(own for own, _ in CASES.values())
ANSWERS = 200  # of each kind, for answers of several sentences
FEW = 20  # of a kind: fewer say nothing
WRITTEN = (4, 16, 30)  # sentences of a reference answer that is then written in other ways
LEARNED = (0, 4, 50)  # answers to other prompts that teach what is rare
COVERED = (0.5, 0.6, 0.7)  # containment that may take a report of tier 1 back
NEIGHBOURS = 8  # other answers that say what a text has in common with any
SEED = 1
CHARS = (100, 500, 2000)
TEXTS, TURNS = 100, 7

_WORDS = re.compile(r"\w+").findall
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]+")


class Pair(NamedTuple):
    """Two texts and how alike people find them, 0 to 5."""

    one: str
    other: str
    score: float


Method = Callable[[Sequence[Pair]], list[float]]
"""Pairs -> how alike each is."""


def main() -> None:
    """Score the files, take the time, print one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--pairs", type=Path, nargs="*", default=[], metavar="F.csv")
    parser.add_argument("--sizes", action="store_true", help="also other sizes of n-grams and of the hash")
    asked = parser.parse_args()
    files: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for path in asked.pairs:
        try:
            pairs = read(path)
        except (OSError, ValueError) as error:
            skipped[path.name] = str(error)
            print(f"{path}: skipped, {error}", file=sys.stderr)
            continue
        files[path.stem] = scored(pairs, METHODS | (SIZES if asked.sizes else {}))
    print(
        json.dumps(
            {
                "bench": "similarity",
                "files": files,
                "skipped": skipped,
                "us": {str(chars): costs(chars) for chars in CHARS},
                "machine": facts(),
            }
        )
    )


def read(path: Path) -> list[Pair]:
    """The pairs of a file. Raises OSError where it cannot be read, ValueError where it holds other things."""
    pairs = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            try:
                one, other, score = row
                pairs.append(Pair(one, other, float(score)))
            except ValueError as error:
                raise ValueError(f"row {number} is not sentence,sentence,score: {error}") from error
    if sum(pair.score >= SAME for pair in pairs) < MOST:
        raise ValueError(f"fewer than {MOST} pairs with a score of {SAME:g} or more")
    if sum(pair.score <= DIFFERENT for pair in pairs) < 2 * MOST:
        raise ValueError(f"fewer than {2 * MOST} pairs with a score of {DIFFERENT:g} or less")
    return pairs


def scored(pairs: list[Pair], methods: dict[str, Method]) -> dict[str, Any]:
    """All figures of one file."""
    people = [pair.score for pair in pairs]
    single = {name: method(pairs) for name, method in methods.items()}
    figures: dict[str, Any] = {
        "pairs": len(pairs),
        "spearman": {name: round(spearman(values, people), 3) for name, values in single.items()},
    }
    for case, (own, shared) in CASES.items():
        answers = pairs if own == 1 else joined(pairs, own, shared)
        values = single if own == 1 else {name: method(answers) for name, method in METHODS.items()}
        figures[case] = {
            "chars": round(fmean(len(pair.one) for pair in answers)),
            "apart": {name: apart(*split(answers, found)) for name, found in values.items()},
            "reported": reported(answers, values),
        }
    figures["written"] = {str(sentences): written(pairs, sentences) for sentences in WRITTEN}
    return figures


def written(pairs: Sequence[Pair], sentences: int) -> dict[str, Any]:
    """A reference answer reworded, made longer or shorter, and other answers: what becomes of the measures.

    By how many answers to other prompts have taught what is rare. Also how many cover the reference.
    """
    rng = random.Random(SEED)
    same = [pair for pair in pairs if pair.score >= SAME]
    references: list[str] = []
    kinds: dict[str, list[str]] = {}
    for _ in range(ANSWERS + max(LEARNED)):
        drawn = rng.sample(same, sentences)
        more = [pair.one for pair in rng.sample(pairs, 2 * sentences)]
        references.append(" ".join(pair.one for pair in drawn))
        rng.shuffle(drawn)
        reworded = [pair.other for pair in drawn]
        for kind, chosen in {
            "reworded": reworded,
            "half_as_long_again": reworded + more[: sentences // 2],
            "twice_as_long": reworded + more[:sentences],
            "three_quarters": reworded[: max(3 * sentences // 4, 1)],
            "half": reworded[: sentences // 2],
            "quarter": reworded[: max(sentences // 4, 1)],
            "other": more[sentences:],
        }.items():
            kinds.setdefault(kind, []).append(" ".join(chosen))
    others, references = references[ANSWERS:], references[:ANSWERS]
    figures: dict[str, Any] = {"chars": round(fmean(map(len, references)))}
    for kind, texts in kinds.items():
        both = list(zip(texts, references, strict=False))
        found: dict[str, Any] = {"recall": spread([recalled(text, reference) for text, reference in both])}
        for learned in LEARNED:
            rarity = ngrams.Rarity.of(others[:learned])
            weighed = [tuple(rarity.weigh(ngrams.count_grams(text)) for text in pair) for pair in both]
            contained = [ngrams.containment(*pair) for pair in weighed]
            found[f"learned_{learned}"] = {
                "cosine": spread([ngrams.cosine(*pair) for pair in weighed]),
                "containment": spread(contained),
                "covers": {
                    str(level): round(sum(value >= level for value in contained) / ANSWERS, 3)
                    for level in COVERED
                },
            }
        figures[kind] = found
    return figures


def spread(values: list[float]) -> list[float]:
    """What 98 % are above, the median, what 98 % are below."""
    low = int((1 - KEPT) * len(values))
    ordered = sorted(values)
    return [round(ordered[place], 3) for place in (low, len(ordered) // 2, -1 - low)]


def joined(pairs: Sequence[Pair], own: int, shared: int) -> list[Pair]:
    """Answers of so many sentences: the same reworded and in another order, and ones about other things."""
    rng = random.Random(SEED)
    same = [pair for pair in pairs if pair.score >= SAME]
    different = [pair for pair in pairs if pair.score <= DIFFERENT]
    frame = [pair.one for pair in rng.sample(pairs, shared)]
    answers = []
    for _ in range(ANSWERS):
        drawn = rng.sample(same, own)
        one = " ".join([*frame, *(pair.one for pair in drawn)])
        rng.shuffle(drawn)
        answers.append(Pair(one, " ".join([*frame, *(pair.other for pair in drawn)]), SAME))
        drawn = rng.sample(different, 2 * own)
        one = " ".join([*frame, *(pair.one for pair in drawn[:own])])
        answers.append(Pair(one, " ".join([*frame, *(pair.other for pair in drawn[own:])]), DIFFERENT))
    return answers


def split(pairs: Sequence[Pair], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Ascending values of the same, and of the different."""
    both = list(zip(pairs, values, strict=True))
    same = sorted(value for pair, value in both if pair.score >= SAME)
    return same, sorted(value for pair, value in both if pair.score <= DIFFERENT)


def apart(same: list[float], different: list[float]) -> dict[str, float]:
    """AUROC; where 98 % of the same stay above, with the share of the different below; and the other way."""
    keep = same[int((1 - KEPT) * len(same))]
    hold = different[-1 - int((1 - KEPT) * len(different))]
    return {
        "auroc": round(auroc(same, different), 4),
        "keeps_same_at": round(keep, 3),
        "different_below": round(sum(value < keep for value in different) / len(different), 3),
        "holds_different_at": round(hold, 3),
        "same_above": round(sum(value > hold for value in same) / len(same), 3),
    }


def reported(pairs: Sequence[Pair], values: dict[str, list[float]]) -> dict[str, Any]:
    """What tier 1 reports in a series whose answers used to be the same word by word.

    Of those reported, by method: the share of the same that it takes back at the threshold at which it takes
    back 2 % of the different. Then the same for a series whose answers were always reworded.
    """
    figures: dict[str, Any] = {}
    same, different = split(pairs, values["recall"])
    for series, usual in ("always_equal", 1.0), ("always_reworded", median(same)):
        shown = [place for place, value in enumerate(values["recall"]) if value < FALL * usual]
        answers = [pairs[place] for place in shown]
        back = {}
        for name in BACK:
            kinds = split(answers, [values[name][place] for place in shown])
            if min(map(len, kinds)) >= FEW:
                found = apart(*kinds)
                back[name] = {key: found[key] for key in ("auroc", "holds_different_at", "same_above")}
        figures[series] = {
            "same": round(sum(value < FALL * usual for value in same) / len(same), 3),
            "different": round(sum(value < FALL * usual for value in different) / len(different), 3),
            "back": back,
        }
    return figures


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation, ties with their mean rank (`statistics` has it from Python 3.12 on)."""
    return correlation(ranks(one), ranks(other))


def auroc(same: Sequence[float], different: Sequence[float]) -> float:
    """How often one of the same scores above one of the different; a draw counts half."""
    above = sum(ranks([*same, *different])[: len(same)]) - len(same) * (len(same) + 1) / 2
    return above / (len(same) * len(different))


def ranks(values: Sequence[float]) -> list[float]:
    """Rank of each value, 1 for the lowest; equal values share their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            found[place] = (start + end + 1) / 2
        start = end
    return found


def words_of(text: str) -> list[str]:
    """Words in order; of scripts without spaces the characters."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return _UNSPACED.sub(lambda run: " ".join(["", *run[0], ""]), text).split()


def word_edit(pairs: Sequence[Pair]) -> list[float]:
    """Insertions and deletions of words, normalised."""
    return [Indel.normalized_similarity(words_of(pair.one), words_of(pair.other)) for pair in pairs]


def recalled(text: str, reference: str) -> float:
    """What tier 1 measures: weight of the reference's terms that a text holds."""
    plain = vocabulary.plain(text)
    weights = {term: vocabulary.weight(term) for term in vocabulary.terms(vocabulary.plain(reference))}
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if term in plain) / total if total else 1.0


def recall(pairs: Sequence[Pair]) -> list[float]:
    """The better of both directions of `recalled`."""
    return [max(recalled(pair.one, pair.other), recalled(pair.other, pair.one)) for pair in pairs]


def terms_of(text: str) -> dict[str, int]:
    """Words by their first six letters, and pairs of characters of scripts without spaces -> weight."""
    terms: dict[str, int] = {}
    text = unicodedata.normalize("NFKC", text).casefold()
    for run in _UNSPACED.findall(text):
        terms.update(dict.fromkeys(map("".join, pairwise(run)), 2))
    for word in _WORDS(_UNSPACED.sub(" ", text)):
        if len(word) > 2:
            terms[word[:6]] = max(terms.get(word[:6], 0), min(len(word), 10) - 2)
    return terms


def covered(terms: dict[str, int], reference: dict[str, int]) -> float:
    """Weighted share of a reference's terms that are among a text's."""
    total = sum(reference.values())
    return sum(weight for term, weight in reference.items() if term in terms) / total if total else 1.0


def terms(join: Callable[[float, float], float], pairs: Sequence[Pair]) -> list[float]:
    """Containment of terms, both directions joined."""
    both = [(terms_of(pair.one), terms_of(pair.other)) for pair in pairs]
    return [join(covered(one, other), covered(other, one)) for one, other in both]


def mean(one: float, other: float) -> float:
    """Of two."""
    return (one + other) / 2


def vectors(pairs: Sequence[Pair], learned: int | None) -> list[tuple[ngrams.Vector, ngrams.Vector]]:
    """Weighed with what so many of the texts teach; None: all of them."""
    texts = [text for pair in pairs for text in (pair.one, pair.other)]
    rarity = ngrams.Rarity.of(random.Random(SEED).sample(texts, len(texts))[:learned])
    return [
        (rarity.weigh(ngrams.count_grams(pair.one)), rarity.weigh(ngrams.count_grams(pair.other)))
        for pair in pairs
    ]


def grams(pairs: Sequence[Pair], learned: int | None = None) -> list[float]:
    """Cosine of rare trigrams."""
    return [ngrams.cosine(*both) for both in vectors(pairs, learned)]


def above_chance(pairs: Sequence[Pair]) -> list[float]:
    """The same, with the mean cosine of the text with other answers as 0."""
    both = vectors(pairs, None)
    values = []
    for place, (one, other) in enumerate(both):
        others = [both[(place + 1 + turn) % len(both)][0] for turn in range(NEIGHBOURS)]
        chance = fmean(ngrams.cosine(other, neighbour) for neighbour in others)
        values.append((ngrams.cosine(one, other) - chance) / (1 - chance) if chance < 1 else 0.0)
    return values


def contained(pairs: Sequence[Pair]) -> list[float]:
    """Containment of rare trigrams: which share of the first text the other covers."""
    return [ngrams.containment(other, one) for one, other in vectors(pairs, None)]


def contained_max(pairs: Sequence[Pair]) -> list[float]:
    """The greater one of both directions."""
    return [
        max(ngrams.containment(one, other), ngrams.containment(other, one))
        for one, other in vectors(pairs, None)
    ]


def plain(low: int, high: int, dimensions: int, pairs: Sequence[Pair]) -> list[float]:
    """TF-IDF of n-grams inside words, of any sizes, in so many dimensions (0: not hashed), by the book."""
    counts = [
        [Counter(sized(text, low, high, dimensions)) for text in (pair.one, pair.other)] for pair in pairs
    ]
    seen = Counter(gram for both in counts for count in both for gram in count)
    rare = {gram: 1 + log((1 + 2 * len(pairs)) / (1 + df)) for gram, df in seen.items()}
    values = []
    for both in counts:
        one, other = ({gram: (1 + log(n)) * rare[gram] for gram, n in count.items()} for count in both)
        lengths = sqrt(sum(w * w for w in one.values()) * sum(w * w for w in other.values()))
        dot = sum(weight * other.get(gram, 0.0) for gram, weight in one.items())
        values.append(dot / lengths if lengths else 0.0)
    return values


def sized(text: str, low: int, high: int, dimensions: int) -> list[str | int]:
    """N-grams of a text's words; of scripts without spaces one character and two."""
    found: list[str | int] = []
    text = unicodedata.normalize("NFKC", text).casefold()
    for run in _UNSPACED.findall(text):
        found += [*run, *map("".join, pairwise(run))]
    for word in _WORDS(_UNSPACED.sub(" ", text)):
        padded = f" {word} "
        for size in range(low, high + 1):
            found += [padded[start : start + size] for start in range(max(len(padded) - size, 0) + 1)]
            if size >= len(padded):
                break
    if dimensions:
        return [zlib.crc32(str(gram).encode()) % dimensions for gram in found]
    return found


METHODS: dict[str, Method] = {
    "word_edit": word_edit,
    "recall": recall,
    "terms_max": partial(terms, max),
    "terms_mean": partial(terms, mean),
    "ngrams_unlearned": partial(grams, learned=0),
    "ngrams_after_20": partial(grams, learned=20),
    "ngrams_after_100": partial(grams, learned=100),
    "ngrams": grams,
    "ngrams_above_chance": above_chance,
    "ngrams_contained": contained,
    "ngrams_contained_max": contained_max,
}
BACK = ("word_edit", "terms_max", "ngrams_after_20", "ngrams", "ngrams_above_chance", "ngrams_contained")
SIZES: dict[str, Method] = {
    **{
        f"plain_{low}_{high}": partial(plain, low, high, 0)
        for low, high in ((2, 2), (2, 3), (2, 4), (3, 3), (3, 4), (3, 5), (4, 4))
    },
    **{f"plain_3_3_in_{size}": partial(plain, 3, 3, size) for size in (1021, 2039, 4093, 8191, 65521)},
}


def costs(chars: int) -> dict[str, float]:
    """µs of each step for texts of so many characters, of a vocabulary with few frequent words."""
    rng = random.Random(SEED)
    syllables = [first + vowel for first in "bdfgklmnprst" for vowel in ("a", "e", "i", "o", "u", "an", "er")]
    vocabulary = ["".join(rng.choices(syllables, k=rng.randint(1, 4))) for _ in range(2000)]
    weights = [1 / (10 + place) for place in range(len(vocabulary))]
    texts = [" ".join(rng.choices(vocabulary, weights, k=chars))[:chars] for _ in range(TEXTS)]
    han = [
        "".join(rng.choices([chr(0x4E00 + place) for place in range(2000)], weights, k=chars)) for _ in texts
    ]
    counts = [ngrams.count_grams(text) for text in texts]
    rarity = ngrams.Rarity()
    for count in counts:
        rarity.learn(count)
    packed = len(rarity.pack())
    weighed = [rarity.weigh(count) for count in counts]
    pairs = list(pairwise(weighed))
    both = [(words_of(one), words_of(other)) for one, other in pairwise(texts)]
    listed = [terms_of(text) for text in texts]

    def learned() -> list[ngrams.Counts]:
        for count in counts:
            rarity.learn(count)
        return counts

    return {
        "word_edit_pair": taken(lambda: [Indel.normalized_similarity(a, b) for a, b in both]),
        "recall_pair": taken(lambda: [recalled(one, other) for one, other in pairwise(texts)]),
        "terms_text": taken(lambda: [terms_of(text) for text in texts]),
        "terms_pair": taken(lambda: [covered(a, b) for a, b in pairwise(listed)]),
        "ngrams_text": taken(lambda: [rarity.weigh(ngrams.count_grams(text)) for text in texts]),
        "ngrams_text_of_new_words": taken(
            lambda: [rarity.weigh(ngrams.count_grams(text)) for text in texts], ngrams._dimensions.cache_clear
        ),
        "ngrams_text_han": taken(lambda: [rarity.weigh(ngrams.count_grams(text)) for text in han]),
        "ngrams_cosine_pair": taken(lambda: [ngrams.cosine(a, b) for a, b in pairs]),
        "ngrams_containment_pair": taken(lambda: [ngrams.containment(a, b) for a, b in pairs]),
        "ngrams_learn": taken(learned),
        "packed_bytes_after_100": packed,
    }


def taken(work: Callable[[], list[Any]], before: Callable[[], None] | None = None) -> float:
    """CPU time of one item, in µs: the best of several turns."""
    best = float("inf")
    for _ in range(TURNS):
        if before is not None:
            before()
        start = time.process_time()
        done = work()
        best = min(best, (time.process_time() - start) / len(done))
    return round(best * 1e6, 1)


if __name__ == "__main__":
    main()
