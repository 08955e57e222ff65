"""Reference answers of a series, by prompt: what its answers are compared with. Bounded.

Only a fold changes the table, so that the version that decides is the version that is stored.
"""

import zlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

from lumina_streams.core.quality.answer import Answer
from lumina_streams.core.quality.prompt import PromptKey
from lumina_streams.core.quality.similarity import Vocabulary, similarity

PROMPTS = 64
ANSWERS = 5  # a template
COMPARED = 3  # of them, a call
TEXT_BYTES = 16_000  # of all answers together
WORDS = 8192  # different ones; words of references that are gone are let go then
RARELY = 64  # a full table takes one call in so many

Nearness = Literal["exact", "template"]


class StoredAnswer(Struct, array_like=True, frozen=True, gc=False):
    """A reference answer and the exact prompt it answered."""

    exact: bytes
    text: str


class StoredPrompt(Struct, array_like=True):
    """The answers to one template."""

    template: bytes
    answers: list[StoredAnswer]


class Candidate(Struct, array_like=True, frozen=True):
    """A good answer that the next fold may add."""

    exact: bytes
    template: bytes
    text: str


class Likeness(NamedTuple):
    """How near an answer is to the nearest reference answer."""

    score: float
    nearness: Nearness
    slot: int  # of the prompt in the table
    text: str  # the nearest reference answer


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[StoredPrompt]).decode


class References:
    """Up to 64 prompts with up to 5 answers each, 16 kB of text in all; the least lately used go first."""

    def __init__(self) -> None:
        self._prompts: list[StoredPrompt] = []
        self._used: list[int] = []  # fold in which a slot's prompt was last met
        self._slots: dict[bytes, int] = {}
        self._answers: dict[tuple[int, int], Answer] = {}
        self._vocabulary = Vocabulary()
        self._packed: bytes | None = None
        self._size = 0

    def compare(self, key: PromptKey, answer: Answer) -> Likeness | None:
        """The nearest reference answer to the same prompt, else to the same template; None without any."""
        slot = self._slots.get(key.template)
        if slot is None:
            return None
        stored = self._prompts[slot].answers
        near = [index for index, entry in enumerate(stored) if entry.exact == key.exact]
        nearness: Nearness = "exact" if near else "template"
        best, text = -1.0, ""
        for index in (near or range(len(stored)))[:COMPARED]:
            reference = self._answers.get((slot, index))
            if reference is None:
                reference = self._answers[slot, index] = Answer(stored[index].text)
                self._vocabulary.learn(reference)
                answer.code = ""
            if not answer.code:
                self._vocabulary.read(answer)
            score = similarity(answer, reference)
            if score > best:
                best, text = score, reference.text
                if score == 1.0:
                    break
        return Likeness(best, nearness, slot, text)

    def wants(self, key: PromptKey, likeness: Likeness | None, lot: int) -> bool:
        """Whether an answer would add something; `lot` is a number that is fair per call."""
        if likeness is not None:
            if likeness.score == 1.0 and likeness.nearness == "exact":
                return False
            stored = self._prompts[likeness.slot].answers
            same = sum(entry.exact == key.exact for entry in stored)
            if same < COMPARED and len(stored) < ANSWERS:
                return True
        elif len(self._prompts) < PROMPTS and self._size < TEXT_BYTES * 3 // 4:
            return True
        return lot % RARELY == 0

    def learn(self, candidates: Iterable[Candidate], used: Iterable[int], fold: int) -> None:
        """Note the slots that were used since the last fold and add the candidates."""
        met = set(used)
        for slot in met:
            self._used[slot] = fold
        for candidate in candidates:
            self._add(candidate, fold)
        if self._packed is None:
            self._evict()
        if len(self._vocabulary) > WORDS:
            self._vocabulary = Vocabulary()
            self._answers = {}
        self._answers = {place: answer for place, answer in self._answers.items() if place[0] in met}

    def clear(self) -> None:
        """Forget everything: a new level of quality is adopted."""
        self.__init__()  # type: ignore[misc]

    def _add(self, candidate: Candidate, fold: int) -> None:
        self._packed = None
        slot = self._slots.get(candidate.template)
        if slot is None:
            slot = self._slots[candidate.template] = len(self._prompts)
            self._prompts.append(StoredPrompt(candidate.template, []))
            self._used.append(fold)
        stored = self._prompts[slot].answers
        entry = StoredAnswer(candidate.exact, candidate.text)
        same = [index for index, other in enumerate(stored) if other.exact == candidate.exact]
        if len(same) >= COMPARED:
            place = same[zlib.crc32(candidate.text.encode("utf-8", "surrogatepass")) % len(same)]
        elif len(stored) >= ANSWERS:
            place = zlib.crc32(candidate.exact) % ANSWERS
        else:
            stored.append(entry)
            return
        stored[place] = entry
        self._answers.pop((slot, place), None)

    def _evict(self) -> None:
        sizes = [
            sum(len(entry.text.encode("utf-8", "surrogatepass")) for entry in prompt.answers)
            for prompt in self._prompts
        ]
        order = sorted(range(len(sizes)), key=lambda slot: (self._used[slot], slot))
        gone: set[int] = set()
        total = sum(sizes)
        for slot in order[:-1]:
            if total <= TEXT_BYTES and len(sizes) - len(gone) <= PROMPTS:
                break
            gone.add(slot)
            total -= sizes[slot]
        if gone:
            kept = [slot for slot in range(len(sizes)) if slot not in gone]
            self._prompts = [self._prompts[slot] for slot in kept]
            self._used = [self._used[slot] for slot in kept]
            self._slots = {prompt.template: slot for slot, prompt in enumerate(self._prompts)}
            self._answers.clear()
        self._size = total

    def pack(self) -> tuple[bytes, list[int]]:
        """(compressed answers, last use of each prompt)."""
        if self._packed is None:
            self._packed = zlib.compress(_encode(self._prompts), 1)
        return self._packed, self._used

    def load(self, packed: bytes, used: list[int]) -> None:
        """Inverse of `pack`."""
        self._prompts = _decode(zlib.decompress(packed))
        self._used = used
        self._slots = {prompt.template: slot for slot, prompt in enumerate(self._prompts)}
        self._answers = {}
        self._packed = packed
        self._size = sum(
            len(entry.text.encode("utf-8", "surrogatepass"))
            for prompt in self._prompts
            for entry in prompt.answers
        )
