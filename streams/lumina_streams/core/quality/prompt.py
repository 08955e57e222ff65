"""What a call asked: keys of its prompt, exact and as a template, and the terms that it is about."""

import re
from hashlib import blake2b
from zlib import crc32

from lumina_streams.core.quality.terms import (
    digits,
    is_number,
    longest,
    names,
    number_terms,
    plain,
    terms,
    weight,
)
from lumina_streams.core.series.call import Call

HEAD_CHARS = 1000  # of each of the two messages that make the key; the middle of a long one is left out
TAIL_CHARS = 500
NAMES_SHARE = 0.25  # a text with more capitalised words (German, headlines) is its own template
ABOUT_HEAD, ABOUT_TAIL = 300, 200  # characters of the last message that tell what it is about
ABOUT_NUMBERS, ABOUT_WORDS = 4, 8
SKETCH_TERMS = 12
GIVEN_CHARS = 20_000  # of all messages that are searched for a number

_DIGITS = re.compile(r"\d\S*")
_CAPITALS = re.compile("[A-ZÀ-ÖØ-Þ]")
_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ][\w'’-]+(?: [A-ZÀ-ÖØ-Þ][\w'’-]+)*").match
_BEFORE_NAME = frozenset("abcdefghijklmnopqrstuvwxyz,;")  # then a space: a capital there starts no sentence


class Prompt:
    """The first and the last user message (in a chat the last one alone says too little).

    `exact` and `template` are 8-byte keys; prompts that differ in numbers, identifiers and names only share
    the template. A new prompt version is a new prompt.
    """

    __slots__ = ("_about", "_digits", "_numbers", "_plain", "_words", "exact", "last", "template", "texts")

    def __init__(self, version: str, first: str, last: str, texts: tuple[str, ...] = ()) -> None:
        self.last = last
        self.texts = texts
        """All texts that the model was given, the last message last."""
        text = _cut(last) if first == last else _cut(first) + "\0" + _cut(last)
        version += "\0"
        self.exact = _hash(version + text)
        template = _without_values(text)
        named, count = _without_names(template)
        if count <= NAMES_SHARE * (text.count(" ") + 1):
            template = named
        self.template = self.exact if template == text else _hash(version + template)
        self._plain: bytes | None = None
        self._about: list[bytes] | None = None
        self._words: list[bytes] | None = None
        self._numbers: list[bytes] | None = None
        self._digits: frozenset[bytes] | None = None

    @property
    def plain(self) -> bytes:
        """Both ends of the last message, as terms are looked for in it."""
        if self._plain is None:
            last = self.last
            if len(last) > ABOUT_HEAD + ABOUT_TAIL:
                last = last[:ABOUT_HEAD] + " " + last[-ABOUT_TAIL:]
            self._plain = plain(last)
        return self._plain

    @property
    def about(self) -> list[bytes]:
        """Its first numbers and its longest words: what an answer takes up."""
        if self._about is None:
            self._about = self.numbers()[:ABOUT_NUMBERS] + longest(self._words_seen(), ABOUT_WORDS)
        return self._about

    def _words_seen(self) -> list[bytes]:
        if self._words is None:
            self._words = list(dict.fromkeys(self.plain.split()))
        return self._words

    def sketch(self) -> frozenset[int]:
        """Hashes of the terms that prompts like it share: no numbers, no names."""
        named = names(self.last[:ABOUT_HEAD])
        found = [term for term in terms(self.plain) if not is_number(term) and term not in named]
        heavy = sorted(found, key=lambda term: (-weight(term), term))
        return frozenset(crc32(term) for term in heavy[:SKETCH_TERMS])

    @property
    def digits(self) -> frozenset[bytes]:
        """Groups of digits in all that the model was given."""
        if self._digits is None and len(self.texts) == 1 and len(self.last) <= ABOUT_HEAD + ABOUT_TAIL:
            self._digits = frozenset(digits(self.plain))
        if self._digits is None:
            room = GIVEN_CHARS
            found: set[bytes] = set()
            for text in reversed(self.texts or (self.last,)):
                found.update(digits(plain(text[:room])))
                room -= len(text)
                if room <= 0:
                    break
            self._digits = frozenset(found)
        return self._digits

    def numbers(self) -> list[bytes]:
        """Terms of its numbers."""
        if self._numbers is None:
            self._numbers = number_terms(self._words_seen())
        return self._numbers


def prompt_of(call: Call) -> Prompt | None:
    """A call's prompt; None where none was captured."""
    first = last = ""
    texts: list[str] = []
    for message in call.input_messages:
        parts = [part.content for part in message.parts if part.content and part.type == "text"]
        texts += parts
        if message.role == "user" and parts:
            last = parts[0] if len(parts) == 1 else "\n".join(parts)
            first = first or last
    return Prompt(call.prompt_version, first, last, tuple(texts)) if last else None


def _without_values(text: str) -> str:
    """Every word that holds a digit becomes `#`.

    Found by its first digit and widened to the left: a pattern for whole words would try every letter.
    """
    pieces: list[str] = []
    done = 0
    for match in _DIGITS.finditer(text):
        start = max(text.rfind(" ", done, match.start()), text.rfind("\n", done, match.start())) + 1
        pieces.append(text[done : max(start, done)])
        done = match.end()
    if not pieces:
        return text
    pieces.append(text[done:])
    return "#".join(pieces)


def _without_names(text: str) -> tuple[str, int]:
    """Every run of capitalised words inside a sentence becomes `@`; also how many there were.

    Found by their capitals: a pattern that looks behind would try every letter.
    """
    pieces: list[str] = []
    done = 0
    for capital in _CAPITALS.finditer(text):
        start = capital.start()
        if start < max(done, 2) or text[start - 1] != " " or text[start - 2] not in _BEFORE_NAME:
            continue
        name = _NAME(text, start)
        if name is not None:
            pieces.append(text[done:start])
            done = name.end()
    if not pieces:
        return text, 0
    pieces.append(text[done:])
    return "@".join(pieces), len(pieces) - 1


def _cut(text: str) -> str:
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else text[:HEAD_CHARS] + text[-TAIL_CHARS:]


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
