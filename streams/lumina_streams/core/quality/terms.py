"""Terms: what answers and prompts are compared by. Any script, no model, no list of words.

A text is *plain* as bytes: lower case, one kind of blank for everything that is no letter or digit, blanks at
both ends. A term is bytes that are looked for in it:

- ` paris`: a word, cut to its first six letters (what languages inflect is mostly behind them),
- ` 14 `: a word with a digit in it, whole,
- `巴黎`: two neighbouring characters where a script writes no blanks.

Looking for thirty terms in a text is five times faster than splitting it into words.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

LETTERS = 6  # of a word that count
LEAST_LETTERS = 3
BIGRAM_WEIGHT = 2.0
NUMBER_WEIGHT = 4.0
SCRIPT_CHARS = 300  # of the beginning tell whether a text writes blanks
NAMES = 3  # of a short text
NAMES_SHARE = 0.25

# Scripts that write no blanks: Han, kana, Thai, Lao, Khmer, Myanmar.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]").search
_RUNS = re.compile(f"[{_UNSPACED}\U00020000-\U0003ffff]+|[^{_UNSPACED}\U00020000-\U0003ffff]+").findall
# Characters that hold sentences together: hiragana, and the most frequent Han ones.
_HOLDS = frozenset(
    (
        *map(chr, range(0x3041, 0x30A0)),
        *"的是了在和有不这那也就而及与或为以到于对我你他她它们个上下中来去会可要将被把从得地着过",
    )
)

_ALL_BUT_DIGITS = bytes(byte if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_BLANKS = bytes(byte if byte >= 0x80 or chr(byte).isalnum() else 0x20 for byte in range(256))
# General and CJK punctuation, Latin-1 signs, full-width forms of ASCII punctuation.
_MARKS = re.compile(
    rb"\xe2[\x80\x81].|\xe3\x80.|\xef\xbc[\x81-\x8f\x9a-\xa0]|\xef\xbd[\x9b-\xa5]|\xc2[\xa0-\xbf]", re.DOTALL
).sub
_COMMA = re.compile(rb",(?=\d\d\d)").sub  # 1,200 and 1.200 are 1200
_POINT = re.compile(rb"\.(?=\d\d\d)").sub
_WEIGHTS = tuple(float(max(length - 1 - LEAST_LETTERS, 0)) for length in range(LETTERS + 2))
_ASCII_RUNS = re.compile(rb"[0-9a-z]+").sub
_DIGIT = re.compile(rb"\d").search


def plain(text: str) -> bytes:
    """A text as terms are looked for in it. Any unicode, surrogates too."""
    if text.isascii():
        raw = text.lower().encode()
    else:
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        raw = _MARKS(b" ", text.lower().encode("utf-8", "surrogatepass"))
    if b"," in raw:
        raw = _COMMA(b"", raw)
    if b"." in raw:
        raw = _POINT(b"", raw)
    if not text.isascii() and _HAS_UNSPACED(text, 0, SCRIPT_CHARS):
        raw = _ASCII_RUNS(rb" \g<0> ", raw)  # a number between characters is a word
    return b" " + raw.translate(_BLANKS) + b" "


def terms(text: bytes) -> list[bytes]:
    """The different terms of a plain text, in order."""
    words = dict.fromkeys(text.split())
    if text.isascii():  # then a word is letters, or has a digit
        found = [
            b" " + word[:LETTERS] if word.isalpha() else b" " + word + b" "
            for word in words
            if len(word) >= LEAST_LETTERS or not word.isalpha()
        ]
        return list(dict.fromkeys(found))
    return list(dict.fromkeys(chain.from_iterable(map(_terms_of, words))))


def _terms_of(word: bytes) -> Iterable[bytes]:
    if _DIGIT(word):
        return (b" " + word + b" ",)
    if word.isascii():
        return (b" " + word[:LETTERS],) if len(word) >= LEAST_LETTERS else ()
    return _beyond_ascii(word)


def _beyond_ascii(word: bytes) -> Iterator[bytes]:
    letters = word.decode("utf-8", "surrogatepass")
    if not _HAS_UNSPACED(letters):
        if len(letters) >= LEAST_LETTERS or not letters.isalpha():
            yield b" " + letters[:LETTERS].encode("utf-8", "surrogatepass")
        return
    for run in _RUNS(letters):
        if not _HAS_UNSPACED(run):
            if len(run) >= LEAST_LETTERS:
                yield run[:LETTERS].encode("utf-8", "surrogatepass")
            continue
        for first, second in pairwise(run):
            if first not in _HOLDS and second not in _HOLDS:
                yield (first + second).encode("utf-8", "surrogatepass")


def numbers(text: bytes) -> list[bytes]:
    """The different terms of words with a digit in a plain text, in order."""
    return number_terms(list(dict.fromkeys(text.split())))


def number_terms(words: list[bytes]) -> list[bytes]:
    """Terms of those words of a plain text that have a digit."""
    return [b" " + word + b" " for word in words if not word.isalpha() and _DIGIT(word)]


def longest(words: list[bytes], count: int) -> list[bytes]:
    """Terms of so many of the longest words of a plain text, without those that have a digit."""
    words = sorted(words, key=len, reverse=True)[: 2 * count]
    found = [b" " + word[:LETTERS] for word in words if word.isalpha()]
    if not found:
        found = list(chain.from_iterable(_terms_of(word) for word in words if not _DIGIT(word)))
    return list(dict.fromkeys(found))[:count]


def digits(text: bytes) -> list[bytes]:
    """Groups of two digits and more in a plain text: single ones number lists."""
    return [group for group in text.translate(_ALL_BUT_DIGITS).split() if len(group) > 1]


def is_number(term: bytes) -> bool:
    """Whether a term is a word with a digit in it."""
    return term[-1:] == b" "


def is_caseless(term: bytes) -> bool:
    """Whether a term is of a script that has no capitals."""
    letters = term.decode("utf-8", "surrogatepass")
    return letters.upper() == letters and not is_number(term)


def weight(term: bytes) -> float:
    """How much a term says: long words say more (Zipf: what is frequent is short)."""
    if term[-1:] == b" ":
        return NUMBER_WEIGHT
    if term[:1] != b" ":
        return BIGRAM_WEIGHT
    if term.isascii():
        return _WEIGHTS[len(term)]
    return float(max(len(term.decode("utf-8", "surrogatepass")) - LEAST_LETTERS, 0))


def names(text: str) -> set[bytes]:
    """Terms of the words that begin with a capital inside of a sentence.

    Where so many do (German, headlines) that it says nothing: none.
    """
    words = text.split()
    found: set[bytes] = set()
    count = 0
    for before, word in pairwise(words):
        head = word.lstrip("\"'(*_[")
        if head and head[0].isupper() and (before[-1].isalnum() or before[-1] in ",;"):
            count += 1
            found.update(terms(plain(head)))
    return found if count <= max(NAMES, NAMES_SHARE * len(words)) else set()
