"""Structural similarity of two answers to the same prompt, 0 to 1, without any model.

S = .45 word order + .25 length + .20 layout + .10 script; for two JSON values the shared key paths stand in
for the words. S of unrelated texts is not 0 and creative answers differ from each other anyway, so S is
never judged as such: only against the series' own history of S.
"""

from rapidfuzz.distance import Indel

from lumina_streams.core.quality.answer import Answer

WORDS_WEIGHT = 0.45
LENGTH_WEIGHT = 0.25
FORMAT_WEIGHT = 0.20
SCRIPT_WEIGHT = 0.10

_UNKNOWN = "\0"
_FIRST_CODE = 1  # 16 kB of reference text hold far fewer words than there are code points before surrogates

_indel = Indel.normalized_similarity


class Vocabulary:
    """Words as single characters: comparing two strings is six times faster than comparing two word lists.

    Only reference answers add words; all words that no reference has are one character, since none of
    them can match. The numbering differs between processes and reaches no stored state.
    """

    __slots__ = ("_codes",)

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._codes)

    def learn(self, reference: Answer) -> None:
        """Write a reference's code; its word list is let go (it is ten times as large)."""
        codes = self._codes
        for word in reference.words:
            if word not in codes:
                codes[word] = chr(len(codes) + _FIRST_CODE)
        reference.code = "".join([codes[word] for word in reference.words])
        reference.words = []

    def read(self, answer: Answer) -> None:
        """Write the code of an answer that is to be compared."""
        get = self._codes.get
        answer.code = "".join([get(word, _UNKNOWN) for word in answer.words])


def similarity(answer: Answer, reference: Answer) -> float:
    """Structural similarity S of an answer to a reference, coded by one vocabulary; 1 for equal texts."""
    if answer.text == reference.text:
        return 1.0
    mine, theirs = answer.paths, reference.paths
    if mine and theirs:
        content = len(mine & theirs) / len(mine | theirs)
    else:
        content = _indel(answer.code, reference.code)
    less, more = len(answer.code), len(reference.code)
    if less > more:
        less, more = more, less
    return (
        WORDS_WEIGHT * content
        + LENGTH_WEIGHT * (less / more if more else 1.0)
        + FORMAT_WEIGHT * format_similarity(answer.format, reference.format)
        + SCRIPT_WEIGHT * (answer.script == reference.script)
    )


def format_similarity(mine: list[int], theirs: list[int]) -> float:
    """How alike the counts of layout marks are: mean of (less + 1) / (more + 1)."""
    if mine == theirs:
        return 1.0
    total = 0.0
    for a, b in zip(mine, theirs, strict=True):
        total += (a + 1) / (b + 1) if a < b else (b + 1) / (a + 1)
    return total / len(mine)
