"""JSON answers: the schema of a series, and its values for each intent."""

import json
import random
from typing import Any, NamedTuple

from labelled.text.intents import Library
from labelled.text.values import AMOUNT, DATE, NAME, NUMBER, ORDER, facts, other_facts

RENDERED = 16  # a voice and intent
FIELDS = (
    "customer",
    "order_id",
    "amount",
    "date",
    "priority",
    "confidence",
    "tags",
    "summary",
    "items",
    "resolved",
)
STATED = ("category", "queue", "policy", "owner", "sla_days", "office")
OTHER_NAMES = {"category": "class", "queue": "target", "policy": "rule", "owner": "agent", "sla_days": "sla"}
PRIORITIES = ("low", "medium", "high", "urgent")
TAGS = ("vip", "repeat", "legal", "billing", "late", "press", "new", "partner")


class Documents(NamedTuple):
    """Answers of one intent in one voice, with marks, as they should be and as they should not."""

    right: list[str]
    wrong: list[str]  # another category, queue, policy ...
    misshapen: list[str]  # keys are missing or have other names, or lie deeper


class Schema:
    """Which keys the answers of a series have."""

    def __init__(self, library: Library) -> None:
        self._library = library
        rng = random.Random(f"schema {library.plan.seed}")
        stated = ["category", *rng.sample(STATED[1:], rng.randint(1, len(STATED) - 1))]
        self._keys = stated + rng.sample(FIELDS, rng.randint(2, 7))
        rng.shuffle(self._keys)
        self._indent = rng.choice((None, None, 2))
        self._known: dict[tuple[int, int], Documents] = {}

    def documents(self, number: int, voice: int) -> Documents:
        """The answers to an intent. Another voice orders the keys anew and says free texts in other words."""
        found = self._known.get((number, voice))
        if found is None:
            found = self._known[number, voice] = self._write(number, voice)
        return found

    def _write(self, number: int, voice: int) -> Documents:
        library = self._library
        plan, language = library.plan, library.language
        stated = random.Random(f"stated {plan.seed} {number}")
        right = facts(language, stated)
        wrong = [other_facts(language, right, stated) for _ in range(3)]
        rng = random.Random(f"documents {plan.seed} {number} {voice}")
        keys = list(self._keys)
        if voice:
            rng.shuffle(keys)
        indent = self._indent if voice % 2 == 0 else 2 if self._indent is None else None
        told, extra = library.voice(number, voice)
        made = Documents([], [], [])
        for _ in range(RENDERED):
            text = rng.choice(rng.choice([*told, *extra]).right)
            document = {key: self._value(key, number, right, text, rng) for key in keys}
            made.right.append(_dump(document, indent))
            facts_now = wrong[rng.randrange(3) if plan.scattered else 0]
            other = (number + rng.randrange(1, len(library.intents))) % len(library.intents)
            changed = {key: self._value(key, other, facts_now, text, rng) for key in keys if key in STATED}
            made.wrong.append(_dump(document | changed, indent))
            made.misshapen.append(_dump(_misshape(document, rng), indent))
        return made

    def _value(self, key: str, number: int, known: dict[str, str], text: str, rng: random.Random) -> Any:
        match key:
            case "category":
                return self._library.intents[number].topic["topic"]
            case "queue":
                return f"{known['place']}-{known['n']}"
            case "policy":
                return known["code"]
            case "owner":
                return known["name"]
            case "sla_days":
                return int(known["n"])
            case "office":
                return {"place": known["place"], "phone": known["phone"]}
            case "customer":
                return NAME
            case "order_id":
                return ORDER
            case "amount":
                return AMOUNT
            case "date":
                return DATE
            case "priority":
                return rng.choice(PRIORITIES)
            case "confidence":
                return NUMBER
            case "tags":
                return rng.sample(TAGS, rng.randint(0, 3))
            case "summary":
                return text
            case "items":
                things = self._library.intents[number].domain.things
                return [
                    {"name": rng.choice(things), "quantity": rng.randint(1, 9)}
                    for _ in range(rng.randint(1, 3))
                ]
            case "resolved":
                return rng.random() < 0.5
        raise ValueError(f"{key} is no key of a schema; there are {', '.join((*STATED, *FIELDS))}.")


def _misshape(document: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    match rng.randrange(3):
        case 0:  # half of the keys are gone
            return dict(list(document.items())[: len(document) // 2])
        case 1:  # other names
            return {OTHER_NAMES.get(key, f"{key}_value"): value for key, value in document.items()}
        case _:
            return {"result": [{"field": key, "value": value} for key, value in document.items()]}


def _dump(document: dict[str, Any], indent: int | None) -> str:
    """JSON text with marks in it; that of a number stands without quotes."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    for mark in (NAME, ORDER, AMOUNT, DATE, NUMBER):
        text = text.replace(f"\\u{ord(mark):04x}", mark)
    return text.replace(f'"{NUMBER}"', NUMBER)
