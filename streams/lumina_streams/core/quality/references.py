"""The similarity table of a series: what it answered, by prompt. What its answers are held against. Bounded.

A prompt is looked up by its exact text, then as a template (the same words with other numbers and names),
then by the nearest earlier prompt, by the terms that both are about. Nearly the same terms make one entry;
fewer in common make a neighbour: what is expected of an answer then is learned apart, since different prompts
are never compared as if they were the same.

Only a fold changes the table, so that the version that decides is the version that is stored.
"""

import zlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct, field

from lumina_streams.core.quality.consensus import Consensus, Expectation
from lumina_streams.core.quality.ngrams import Counts, Rarity, Vector, containment, count_grams
from lumina_streams.core.quality.prompt import Prompt

PROMPTS = 64
TEXTS = 2  # of an entry, shown as evidence
TEXT_CHARS = 240
SAME = 0.85  # share of terms in common (Jaccard) from which two prompts ask the same thing
SIBLINGS = 0.6  # ... or, where so many came once or twice each, from here on
SIBLINGS_SEEN, SELDOM = 3, 2
NEAR = 0.3  # ... from which their answers have something in common
COVERED = 0.6  # weight of an earlier answer's n-grams from which an answer covers it: bench/similarity.py
OTHERS = 4  # answers to other prompts that the weights need ...
COVERED_ALONE = 0.7  # ... and what is asked for without them
LEAST_TERMS = 3  # of a prompt that is like another
POSTINGS = 256  # that one search looks at
FINALISTS = 8
NEW_ANSWERS, YOUNG_ANSWERS = 16, 32  # until then each answer is learned, then every 4th, then ...
YOUNG_ONE_IN, GROWN_ONE_IN = 4, 32
DOOR_BYTES = 1024
DOOR_FULL = DOOR_BYTES * 2  # bits: a quarter

Nearness = Literal["exact", "template", "near"]
NEARNESSES: tuple[Nearness, ...] = ("exact", "template", "near")


class Candidate(Struct, array_like=True, frozen=True):
    """A good answer that the next fold may learn."""

    exact: bytes
    template: bytes
    sketch: list[int]
    terms: list[bytes]
    named: list[bytes]  # of the terms
    values: list[int]  # hashes of its numbers and JSON values that are not the prompt's
    length: int
    text: str  # its beginning; empty where enough are known
    shape_key: bytes = b""  # of JSON answers: where their shape is learned
    shape: list[bytes] = []


class Entry(Struct, array_like=True):
    """What was answered to one prompt, one template, or prompts with nearly the same terms."""

    key: bytes
    sketch: list[int]
    consensus: Consensus = field(default_factory=Consensus)
    texts: list[str] = field(default_factory=list)


class Place(NamedTuple):
    """Where in the table an answer belongs."""

    slot: int
    nearness: Nearness
    entry: Entry
    expectation: Expectation


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Entry]).decode


class References:
    """Up to `prompts` entries; the least lately used go first. `seen` remembers which prompts came before."""

    def __init__(self, prompts: int = PROMPTS) -> None:
        self._most = prompts
        self._entries: list[Entry] = []
        self._used: list[int] = []  # fold in which an entry was last met
        self._slots: dict[bytes, int] = {}
        self._derive_anew()
        self._packed: list[msgspec.Raw | None] = []
        self._whole: bytes | None = None
        self._door = bytearray(DOOR_BYTES)

    def _derive_anew(self) -> None:
        """Forget what follows from the entries: it is worked out when it is needed."""
        self._index: dict[int, list[int]] | None = None
        self._expectations: dict[int, Expectation | None] = {}
        self._shapes: dict[int, frozenset[bytes]] = {}
        self._grams: dict[int, Counts] | None = None  # of each entry's first text
        self._rarity: Rarity | None = None  # learned from them

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, prompt: Prompt) -> Place | None:
        """What an answer to a prompt is held against; None where nothing like it was asked often enough."""
        place = self._at(prompt.exact, "exact")
        if place is None and prompt.template != prompt.exact:
            place = self._at(prompt.template, "template")
        if place is not None:
            return place
        for overlap, slot in self._neighbours(prompt.sketch()):
            expectation = self._expectation(slot)
            if overlap >= NEAR and expectation is not None:
                nearness: Nearness = "template" if overlap >= SAME else "near"
                return Place(slot, nearness, self._entries[slot], expectation)
        return None

    def is_covered(self, place: Place, text: str) -> bool:
        """Whether an answer says in other words what an earlier one says: tier 1.5.

        By the n-grams of the earlier answer that it holds, weighted by how rare they are among answers to
        other prompts. Takes up to a millisecond, so it is asked of few.
        """
        if place.nearness == "near" or not place.entry.texts:
            return False
        if self._grams is None or self._rarity is None:
            self._grams = {
                slot: counts
                for slot, entry in enumerate(self._entries)
                if entry.texts and (counts := count_grams(entry.texts[0]))
            }
            self._rarity = Rarity()
            for counts in self._grams.values():
                self._rarity.learn(counts)
        own = self._grams.get(place.slot)
        rarity = self._rarity if own is None else self._rarity.without(own)
        answer = rarity.weigh(count_grams(text))
        least = COVERED if len(self._grams) - (own is not None) >= OTHERS else COVERED_ALONE
        return any(_covers(rarity, answer, known) >= least for known in place.entry.texts)

    def shape(self, key: bytes) -> frozenset[bytes]:
        """Shape terms that all JSON answers had; none where too few are known."""
        slot = self._slots.get(key)
        if slot is None:
            return frozenset()
        if slot not in self._shapes:
            self._shapes[slot] = self._entries[slot].consensus.always()
        return self._shapes[slot]

    def answers(self, slot: int) -> int:
        """How many answers an entry has learned (with forgetting)."""
        return self._entries[slot].consensus.n

    def _at(self, key: bytes, nearness: Nearness) -> Place | None:
        slot = self._slots.get(key)
        if slot is None:
            return None
        expectation = self._expectation(slot)
        return None if expectation is None else Place(slot, nearness, self._entries[slot], expectation)

    def _expectation(self, slot: int) -> Expectation | None:
        if slot not in self._expectations:
            self._expectations[slot] = self._entries[slot].consensus.expectation()
        return self._expectations[slot]

    def _neighbours(self, sketch: frozenset[int]) -> list[tuple[float, int]]:
        """(share of terms in common, slot) of the nearest entries, nearest first.

        An inverted index: the rarest terms first, and no more postings than `POSTINGS`, so that the time does
        not grow with the table.
        """
        if len(sketch) < LEAST_TERMS:
            return []
        index = self._index
        if index is None:
            index = self._index = {}
            for slot, entry in enumerate(self._entries):
                for term in entry.sketch:
                    index.setdefault(term, []).append(slot)
        postings = sorted((index[term] for term in sketch if term in index), key=len)
        counts: dict[int, int] = {}
        looked = 0
        for posting in postings:
            for slot in posting[-POSTINGS:]:
                counts[slot] = counts.get(slot, 0) + 1
            looked += len(posting)
            if looked >= POSTINGS:
                break
        finalists = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:FINALISTS]
        near: list[tuple[float, int]] = []
        for slot, _ in finalists:
            theirs = self._entries[slot].sketch
            common = len(sketch.intersection(theirs))
            near.append((common / (len(sketch) + len(theirs) - common), slot))
        return sorted(near, key=lambda entry: (-entry[0], entry[1]))

    def knows(self, prompt: Prompt) -> bool:
        """Whether there is an entry of the prompt's template."""
        return prompt.template in self._slots

    def wants(self, prompt: Prompt, lot: int) -> bool:
        """Whether an answer would add something; `lot` is a number that is fair per call."""
        slots = self._slots
        known = [slots[key] for key in {prompt.exact, prompt.template} if key in slots]
        if not known or (prompt.exact not in slots and self.was_seen(prompt.exact)):
            return len(self._entries) < self._most or lot % YOUNG_ONE_IN == 0
        n = min(self._entries[slot].consensus.n for slot in known)
        if n < NEW_ANSWERS:
            return True
        return lot % (YOUNG_ONE_IN if n < YOUNG_ANSWERS else GROWN_ONE_IN) == 0

    def wants_text(self, prompt: Prompt) -> bool:
        """Whether the beginning of an answer is of use too."""
        slot = self._slots.get(prompt.exact, self._slots.get(prompt.template, -1))
        return slot < 0 or len(self._entries[slot].texts) < TEXTS

    def was_seen(self, key: bytes) -> bool:
        """Whether a prompt came before, as far as is remembered: a filter that may err, seldom."""
        bit = int.from_bytes(key[:2], "little") % (DOOR_BYTES * 8)
        return bool(self._door[bit >> 3] >> (bit & 7) & 1)

    def see(self, keys: Iterable[bytes]) -> None:
        """Remember that prompts came; forgets all when it is a quarter full."""
        door = self._door
        for key in keys:
            bit = int.from_bytes(key[:2], "little") % (DOOR_BYTES * 8)
            door[bit >> 3] |= 1 << (bit & 7)
        if int.from_bytes(door, "little").bit_count() > DOOR_FULL:
            self._door = bytearray(DOOR_BYTES)

    def learn(self, candidates: Iterable[Candidate], used: Iterable[int], fold: int) -> None:
        """Note the entries that were used since the last fold and add the candidates."""
        for slot in set(used):
            self._used[slot] = fold
        for candidate in candidates:
            self._add(candidate, fold)
        self._evict()

    def clear(self) -> None:
        """Forget everything: a new level of quality is adopted."""
        self.__init__(self._most)  # type: ignore[misc]

    def _add(self, candidate: Candidate, fold: int) -> None:
        if candidate.shape_key:
            self._teach(candidate.shape_key, candidate, [], candidate.shape, fold)
        if candidate.exact != candidate.template and (
            candidate.exact in self._slots or self._is_welcome(candidate.exact)
        ):
            self._teach(candidate.exact, candidate, [], candidate.terms, fold)
        key = candidate.template
        if key not in self._slots:
            key = self._alike(frozenset(candidate.sketch)) or key
        self._teach(key, candidate, candidate.sketch, candidate.terms, fold)

    def _is_welcome(self, exact: bytes) -> bool:
        """Whether a prompt with values gets an entry of its own: where there is room, or it came before."""
        return len(self._entries) < self._most // 2 or self.was_seen(exact)

    def _alike(self, sketch: frozenset[int]) -> bytes:
        """Key of the entry of prompts that ask the same thing; empty where there is none.

        Where several prompts that differ in a few terms came once or twice each, those terms are values, such
        as names at the beginning: from then on they are one entry, without them.
        """
        near = self._neighbours(sketch)
        if near and near[0][0] >= SAME:
            return self._entries[near[0][1]].key
        once = [
            slot
            for overlap, slot in near
            if overlap >= SIBLINGS and self._entries[slot].consensus.n <= SELDOM
        ]
        if len(once) < SIBLINGS_SEEN:
            return b""
        entry = self._entries[min(once)]
        entry.sketch = sorted(sketch.intersection(entry.sketch))
        self._index = None
        return entry.key

    def _teach(
        self, key: bytes, candidate: Candidate, sketch: list[int], terms: list[bytes], fold: int
    ) -> None:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = len(self._entries)
            self._entries.append(Entry(key, sketch))
            self._used.append(fold)
            self._packed.append(None)
            if self._index is not None:
                for term in sketch:
                    self._index.setdefault(term, []).append(slot)
        entry = self._entries[slot]
        self._used[slot] = fold
        prompt = int.from_bytes(candidate.exact[:3], "big")
        entry.consensus.learn(terms, candidate.named, candidate.length, prompt, candidate.values)
        text = candidate.text
        if text and len(entry.texts) < TEXTS and text not in entry.texts:
            entry.texts.append(text)
            self._grams = None
        self._expectations.pop(slot, None)
        self._shapes.pop(slot, None)
        self._packed[slot] = None
        self._whole = None

    def _evict(self) -> None:
        count = len(self._entries)
        if count <= self._most:
            return
        entries, used = self._entries, self._used
        order = sorted(range(count), key=lambda slot: (used[slot], entries[slot].consensus.n, slot))
        gone = set(order[: count - self._most])
        kept = [slot for slot in range(count) if slot not in gone]
        self._entries = [entries[slot] for slot in kept]
        self._used = [used[slot] for slot in kept]
        self._packed = [self._packed[slot] for slot in kept]
        self._slots = {entry.key: slot for slot, entry in enumerate(self._entries)}
        self._derive_anew()
        self._whole = None

    def pack(self) -> tuple[bytes, list[int], bytes]:
        """(compressed entries, last use of each, which prompts came before)."""
        if self._whole is None:
            for slot, raw in enumerate(self._packed):
                if raw is None:
                    self._packed[slot] = msgspec.Raw(_encode(self._entries[slot]))
            self._whole = zlib.compress(_encode(self._packed), 1)
        return self._whole, self._used, bytes(self._door)

    def load(self, packed: bytes, used: list[int], door: bytes) -> None:
        """Inverse of `pack`."""
        self._entries = _decode(zlib.decompress(packed))
        self._packed = [None] * len(self._entries)
        self._used = used
        self._slots = {entry.key: slot for slot, entry in enumerate(self._entries)}
        self._derive_anew()
        self._whole = packed
        self._door = bytearray(door)


def _covers(rarity: Rarity, answer: Vector, known: str) -> float:
    return containment(answer, rarity.weigh(count_grams(known)))
