"""Facts that an intent states, and values that come with a call: names, numbers, dates."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from labelled.languages import LANGUAGES, Language

NAME, ORDER, AMOUNT, DATE, NUMBER = "\x01", "\x02", "\x03", "\x04", "\x05"
"""Stand for a call's values until it is made. Control characters: an ASCII text stays one."""

MARKS = {"NAME": NAME, "ORDER": ORDER, "AMOUNT": AMOUNT, "DATE": DATE}
LOWER_CASE = 0.1  # share of names that are written so
YEARS = ("2024", "2025", "2026")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


class Values(NamedTuple):
    """Of one call."""

    name: str
    order: str
    amount: str
    date: str
    number: str

    def fill(self, text: str) -> str:
        """The text with these values in place of the marks."""
        if NAME in text:
            text = text.replace(NAME, self.name)
        if ORDER in text:
            text = text.replace(ORDER, self.order)
        if AMOUNT in text:
            text = text.replace(AMOUNT, self.amount)
        if DATE in text:
            text = text.replace(DATE, self.date)
        if NUMBER in text:
            text = text.replace(NUMBER, self.number)
        return text


@dataclass(frozen=True)
class Customers:
    """Who writes: whose names, which order numbers, how large amounts."""

    names: Language
    dates: Language
    prefix: str
    scale: float

    def values(self, rng: random.Random) -> Values:
        """A call's values."""
        rand = rng.random
        name = name_of(self.names, rand(), rand())
        if rand() < LOWER_CASE:
            name = name.lower()
        return Values(
            name,
            f"{self.prefix}{int(rand() * 900_000) + 100_000}",
            self.dates.money.replace("{amount}", f"{self.scale * (1.0 + 99.0 * rand()):.2f}"),
            date_of(self.dates, rand()),
            f"{rand():.2f}",
        )


def draw_customers(language: Language, seed: str, generation: int) -> Customers:
    """The customers of a series; each generation has other names and numbers."""
    rng = random.Random(f"customers {seed} {generation}")
    names = language if generation == 0 else rng.choice(list(LANGUAGES.values()))
    prefix = rng.choice(("", "#", "A-", "ORD-", "RF", "2026/", "KD ", "tx_"))
    return Customers(names, language, prefix, rng.choice((0.5, 1.0, 10.0, 100.0)))


def name_of(language: Language, first: float, last: float) -> str:
    """A name; the arguments lie in [0, 1)."""
    given = language.first[int(first * len(language.first))]
    family = language.last[int(last * len(language.last))]
    return f"{given} {family}" if language.spaced_names else family + given


def date_of(language: Language, place: float) -> str:
    """A date, as the language writes it; `place` lies in [0, 1)."""
    number = int(place * 1008)  # 3 years of 12 months of 28 days
    month = language.months[number // 28 % 12]
    return (
        language.date.replace("{day}", str(number % 28 + 1))
        .replace("{month}", month)
        .replace("{year}", YEARS[number // 336])
    )


def facts(language: Language, rng: random.Random) -> dict[str, str]:
    """Facts that an intent may state."""
    return {
        "n": str(rng.choice((rng.randint(2, 30), rng.randint(10, 400)))),
        "name": name_of(language, rng.random(), rng.random()),
        "place": rng.choice(language.places),
        "code": f"{rng.choice(LETTERS)}{rng.choice(LETTERS)}-{rng.randint(10, 9999)}",
        "amount": language.money.replace(
            "{amount}", f"{rng.randint(1, 500)}.{rng.choice(('00', '50', '90'))}"
        ),
        "date": date_of(language, rng.random()),
        "phone": f"0{rng.randint(10, 99)} {rng.randint(100, 999)} {rng.randint(1000, 9999)}",
    }


def other_facts(language: Language, right: dict[str, str], rng: random.Random) -> dict[str, str]:
    """Facts of the same kinds, each one different."""
    while True:
        wrong = facts(language, rng)
        if all(wrong[key] != right[key] for key in right):
            return wrong
