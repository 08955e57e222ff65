"""What the answers to prompts that ask the same thing agree on: terms, and how many answers hold each.

Answers differ in words from call to call; what nearly all hold is what they are about. `Paris` in fifty
answers, then `London`: no model is needed to see it. Terms that a prompt brought along (its numbers and
names) count as one, `ECHO`: an answer to another order has other numbers, but its own.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct, field

from lumina_streams.core.quality.terms import weight

TERMS = 40  # that are remembered ...
EXPECTED_TERMS = 24  # ... and that an answer is held against: facts and what is expected most
EXPECTED = 0.3  # share of the answers from which a term is expected
LEAST_ANSWERS = 4  # fewer agree on nothing
VARIETY = (
    3  # different prompts of a template, from which what its answers agree on is no matter of their values
)
AGREED = 0.96  # share from which a term is a fact
SURE_ANSWERS = 20  # below, all must agree ...
MOST_AGREE = 8  # ... and from so many on, all but one
ALWAYS_ANSWERS = 12  # of one shape
MOST_ANSWERS = 64  # then everything is halved: what changed slowly is forgotten
ECHO = b"#"  # a number or name of the prompt
LENGTHS = 9
VALUES = 32
VALUE_ANSWERS = 6  # before a new value is strange ...
CLOSED_ANSWERS = 10  # ... and before values are said to be known
OPEN = 0.03

JSON_WEIGHT = 3.0
JSON_MARKS = frozenset((b":", b"="))


class Expectation(NamedTuple):
    """What an answer is held against."""

    terms: tuple[tuple[bytes, float], ...]  # with weights, most expected first
    total: float  # of the weights
    facts: frozenset[bytes]
    length: int  # of the shortest lately, characters
    various: bool  # answers to several prompts of the template


class Compared(NamedTuple):
    """How an answer compares."""

    recall: float  # weight of expected terms that it holds, 0 to 1
    rest: float  # ... leaving out the facts that it does not hold
    missing: tuple[bytes, ...]  # facts that it does not hold


class Consensus(Struct, array_like=True):
    """Counts over the answers to one prompt, or one template."""

    n: int = 0
    counts: dict[bytes, int] = field(default_factory=dict)
    named: list[bytes] = field(default_factory=list)  # terms that are names
    lengths: list[int] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # different prompts, up to VARIETY: hashes
    values: list[int] = field(default_factory=list)  # hashes of numbers and JSON values, those seen last
    fresh: int = 0  # answers that brought a new one, once enough were known

    def learn(
        self,
        terms: Iterable[bytes],
        named: Iterable[bytes],
        length: int,
        prompt: int = 0,
        values: Iterable[int] = (),
    ) -> None:
        """Count one answer: its terms, each once, and those of them that are names."""
        if len(self.asked) < VARIETY and prompt not in self.asked:
            self.asked.append(prompt)
        counts = self.counts
        for term in terms:
            counts[term] = counts.get(term, 0) + 1
        self.named += [term for term in named if term not in self.named]
        self._keep(values)
        self.n += 1
        self.lengths = [*self.lengths, length][-LENGTHS:]
        if len(counts) > TERMS:
            kept = sorted(counts.items(), key=lambda entry: (-entry[1], -weight(entry[0]), entry[0]))[:TERMS]
            self.counts = counts = dict(sorted(kept))
        self.named = [term for term in self.named if term in counts]
        if self.n >= MOST_ANSWERS:
            self.n //= 2
            self.fresh //= 2
            self.counts = {term: count // 2 for term, count in counts.items() if count > 1}

    def _keep(self, values: Iterable[int]) -> None:
        known = self.values
        fresh = False
        for value in values:
            if value in known:
                known.remove(value)
            else:
                fresh = True
            known.append(value)
        del known[:-VALUES]
        self.fresh += fresh and self.n >= VALUE_ANSWERS

    @property
    def is_closed(self) -> bool:
        """Whether answers keep to numbers and values that are known."""
        return self.n >= CLOSED_ANSWERS and self.fresh <= OPEN * self.n

    def always(self) -> frozenset[bytes]:
        """Terms that no answer was without; none where too few are known."""
        if self.n < ALWAYS_ANSWERS:
            return frozenset()
        return frozenset(term for term, count in self.counts.items() if count >= self.n)

    def expectation(self) -> Expectation | None:
        """What a further answer is held against; None where too few answers are known."""
        n = self.n
        if n < LEAST_ANSWERS:
            return None
        agreed = AGREED * n if n >= SURE_ANSWERS else n - (n >= MOST_AGREE)
        facts: list[bytes] = []
        expected: list[tuple[bytes, float]] = []
        for term, count in self.counts.items():
            if count >= EXPECTED * n:
                expected.append((term, weight_of(term) * count / n))
                if count >= agreed:
                    facts.append(term)
        known = frozenset(facts)
        expected.sort(key=lambda entry: (entry[0] not in known, -entry[1], entry[0]))
        del expected[EXPECTED_TERMS:]
        total = sum(share for _, share in expected)
        return (
            Expectation(tuple(expected), total, known, min(self.lengths), len(self.asked) >= VARIETY)
            if total
            else None
        )


def weight_of(term: bytes) -> float:
    """Weight of a term of a text or of a JSON value."""
    if term[:1] in JSON_MARKS:
        return JSON_WEIGHT
    return 4.0 if term == ECHO else weight(term)


def compare(expectation: Expectation, text: bytes | frozenset[bytes], echoes: bool) -> Compared:
    """Hold an answer, as plain text or as set of JSON terms, against what is expected."""
    held = lost = 0.0
    missing: list[bytes] = []
    for term, share in expectation.terms:
        if echoes if term == ECHO else term in text:
            held += share
        elif term in expectation.facts:
            missing.append(term)
            lost += share
    rest = expectation.total - lost
    return Compared(held / expectation.total, held / rest if rest > 1e-9 else 0.0, tuple(missing))
