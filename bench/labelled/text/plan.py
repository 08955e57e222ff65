"""What the prompts and answers of a series are like: its text plan, drawn from a seed."""

import random
from dataclasses import dataclass
from math import exp, log
from typing import Literal

from labelled.languages import LANGUAGES

TextKind = Literal["faq", "template", "json", "summary", "creative", "rag", "tools"]
KINDS: tuple[TextKind, ...] = (
    *("faq", "faq", "template", "template", "template"),
    *("json", "json", "summary", "creative", "rag", "tools"),
)
"""As often as they are drawn.

faq: questions over fixed facts, some prompts repeat. template: prompts with names and numbers that never
repeat. json: extraction and classification. summary: of texts that never repeat. creative: answers share
little. rag: a question below documents. tools: most answers are calls of tools.
"""

FOREIGN = tuple(code for code in LANGUAGES if code != "en")
VARIATIONS = (0.0, 0.25, 0.5, 0.5, 0.75, 0.75, 1.0)
TOOL_SHARE = 0.6  # of the answers of a series with tools that call one
FEWEST_INTENTS, MOST_INTENTS = 4, 40
MOST_POINTS = 28
STATED = frozenset({"faq", "template", "json", "rag"})
"""Kinds whose answers state facts that are the same for all calls of an intent."""


@dataclass(frozen=True)
class TextPlan:
    """How a series asks and answers."""

    seed: str
    kind: TextKind
    language: str
    other: str  # language of answers in a wrong one
    intents: int  # different things that are asked for
    phrasings: int  # ways an intent is asked in
    variation: float  # of the model's words: 0 verbatim, 1 wild
    points: int  # sentences of a usual answer
    stated: float  # share of the sentences that state a fact of the intent
    zipf: float  # how much more often the first intents are asked for
    lists: float  # share of answers that are lists
    refusals: float  # shares of answers, while nothing happens
    truncated: float
    empty: float
    unparsed: float  # json: with prose around
    fenced: bool  # json: in a Markdown fence
    history: bool  # earlier turns are sent along
    undocumented: float  # rag: share of retrievals that find nothing
    tool_errors: float  # tools: share of their calls that fail
    scattered: bool  # a contradiction states another wrong fact each time, not always the same one


def draw_text_plan(seed: str, kind: TextKind | None = None) -> TextPlan:
    """The text plan of the series that has this seed, of one kind if asked for."""
    rng = random.Random(f"text {seed}")
    drawn = rng.choice(KINDS)
    kind = kind or drawn
    language = rng.choice(FOREIGN) if rng.random() < 0.35 else "en"
    other = rng.choice([code for code in ("en", "en", *FOREIGN) if code != language])
    points = round(exp(rng.uniform(log(1.0), log(MOST_POINTS))))
    if kind in ("creative", "summary"):
        points = min(max(points, 4), 20)
    return TextPlan(
        seed=seed,
        kind=kind,
        language=language,
        other=other,
        intents=round(exp(rng.uniform(log(FEWEST_INTENTS), log(MOST_INTENTS)))),
        phrasings=rng.randint(1, 6),
        variation=max(rng.choice(VARIATIONS), 0.5 if kind == "creative" else 0.0),
        points=points,
        stated=rng.uniform(0.25, 0.8),
        zipf=rng.uniform(0.0, 1.2),
        lists=rng.choice((0.0, 0.0, 0.1, 0.5, 1.0)),
        refusals=rng.choice((0.0, 0.0, 0.002, 0.005, 0.01, 0.02)),
        truncated=rng.choice((0.0, 0.0, 0.002, 0.01, 0.03)),
        empty=rng.choice((0.0, 0.0, 0.0, 0.001, 0.004)),
        unparsed=rng.choice((0.0, 0.0, 0.003, 0.01)),
        fenced=rng.random() < 0.3,
        history=rng.random() < 0.2,
        scattered=rng.random() < 0.5,
        undocumented=rng.choice((0.0, 0.0, 0.005, 0.02)),
        tool_errors=rng.choice((0.0, 0.005, 0.02)),
    )
