"""Sentences: what is said, and the ways in which a model says it."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from labelled.languages import Domain, Frame, Language
from labelled.text.values import MARKS, facts, other_facts

WRONG = 3  # sets of wrong facts for each sentence
MOST_VARIANTS = 8
DROP = {"fact": 0.06, "talk": 0.4, "echo": 0.15}
"""Share of answers that leave a sentence out, where the model is wild."""


@dataclass(frozen=True)
class Say:
    """One thing to say: a frame, and what its fields are."""

    frame: Frame
    fields: dict[str, str]
    wrong: tuple[dict[str, str], ...]  # other facts; of talk none
    sort: str  # fact, talk, echo


class Sentence(NamedTuple):
    """One thing to say, written out in a voice."""

    right: list[str]
    wrong: list[str]  # the same with other facts
    drop: float
    is_fact: bool


def say_fact(language: Language, frame: Frame, topic: dict[str, str], rng: random.Random) -> Say:
    """A fact about a topic."""
    right = facts(language, rng)
    wrong = tuple(topic | MARKS | other_facts(language, right, rng) for _ in range(WRONG))
    return Say(frame, topic | MARKS | right, wrong, "fact")


def say(frame: Frame, topic: dict[str, str], sort: str = "talk") -> Say:
    """Talk without facts, or an echo of the call's values."""
    return Say(frame, topic | MARKS, (), sort)


def things_of(domain: Domain, topic: dict[str, str], rng: random.Random) -> dict[str, str]:
    """A topic with two of its domain's things."""
    thing, other = rng.sample(domain.things, 2)
    return topic | {"thing": thing, "other": other}


def write_out(
    told: Say, language: Language, voice: int, variation: float, scattered: bool, rng: random.Random
) -> Sentence:
    """Write something out. Each voice prefers other phrasings and words; a verbatim model has one of each."""
    frame = told.frame
    usable = max(1, round(len(frame) * (0.3 + 0.6 * variation)))
    count = 1 + round((MOST_VARIANTS - 1) * variation) if variation else 1
    swaps = [pair for pair in language.synonyms if voice and rng.random() < 0.6]
    right: list[str] = []
    wrong: list[str] = []
    for _ in range(count):
        template = frame[(2 * voice + rng.randrange(usable)) % len(frame)]
        for old, new in language.synonyms:
            if old in template and ((old, new) in swaps or rng.random() < 0.4 * variation):
                template = template.replace(old, new)
        text = capital(template.format_map(told.fields))
        if text in right:
            continue
        right.append(text)
        if told.wrong:
            fields = told.wrong[rng.randrange(WRONG) if scattered else 0]
            wrong.append(capital(template.format_map(fields)))
        else:
            wrong.append(text)
    return Sentence(right, wrong, DROP[told.sort] * variation, told.sort == "fact")


def capital(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]
