"""One judged answer: µs by length and script, of the look-up of references, of tier 1.5; bytes of a table.

Series are grown by some thousand calls of the detect step, so that the references are what it made of them.
CPU time, the best of several turns.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import islice
from typing import Any, TypeVar

from labelled.series import START_MS
from labelled.watch import AT
from lumina_schemas.partition import series_id
from lumina_schemas.source import Source
from lumina_streams.core.quality.candidate import candidate_of
from lumina_streams.core.quality.prompt import Prompt, prompt_of
from lumina_streams.core.quality.references import PROMPTS, Candidate, Place, References
from lumina_streams.core.quality.score import Verdict, judge
from lumina_streams.core.series.call import Call, CallMessage, CallPart
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step
from machine import facts
from wording import Wording

CHARS = (500, 2000, 8000)
TARGET_CHARS, TARGET_JUDGE_US = 2000, 50
REMEMBERED, TARGET_FIND_US = 10_000, 50
GROWN_CALLS = 600
GAP_MS = 15_000
INTENTS = 8  # prompt templates of a series
LEAST_KNOWN = 5  # answers that an entry has learned
CALLS, TURNS = 200, 7
WORDS = 4_000  # of all prompts
PROMPT_WORDS = 45
LEARNED = 4  # answers to each remembered prompt
CHANGED = 0.4  # of the words of a prompt that is near another one
SEED = 1000

Item = TypeVar("Item")
Turn = tuple[tuple[CallMessage, ...], tuple[CallMessage, ...]]


def main() -> None:
    """Measure, print one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--chars", type=int, nargs="+", default=list(CHARS))
    parser.add_argument(
        "--remembered", type=int, default=REMEMBERED, help="prompts that one is looked up among"
    )
    asked = parser.parse_args()
    judged = {
        name: {str(chars): judging(turns(chars)) for chars in asked.chars} for name, turns in SCRIPTS.items()
    }
    print(
        json.dumps(
            {
                "bench": "quality",
                "target_judge_us": TARGET_JUDGE_US,
                "target_chars": TARGET_CHARS,
                "target_find_us": TARGET_FIND_US,
                "judge": judged,
                "find": finding(asked.remembered),
                "table": {name: table(turns(TARGET_CHARS, PROMPTS)) for name, turns in SCRIPTS.items()},
                "machine": facts(),
            }
        )
    )


def latin(chars: int, intents: int = INTENTS) -> Iterator[Turn]:
    """English turns."""
    yield from _worded(chars, "en", intents)


def han(chars: int, intents: int = INTENTS) -> Iterator[Turn]:
    """Chinese turns."""
    yield from _worded(chars, "zh", intents)


def json_items(chars: int, intents: int = INTENTS) -> Iterator[Turn]:
    """English prompts, and a JSON object of the length as the answer."""
    rng = random.Random(SEED)
    for place, (prompt, _) in enumerate(_worded(100, "en", intents)):
        items: list[dict[str, Any]] = []
        document = {"version": 2, "language": "en", "order": place, "urgent": place % 7 == 0, "items": items}
        size = len(json.dumps(document))
        while size < chars or not items:
            item = {
                "sku": f"K-{rng.randrange(10_000)}",
                "amount": round(rng.uniform(1, 500), 2),
                "category": rng.choice(("billing", "delivery", "warranty")),
                "note": " ".join(_vocabulary()[int(rng.random() ** 3 * WORDS)] for _ in range(12)),
            }
            items.append(item)
            size += len(json.dumps(item)) + 2
        yield prompt, (CallMessage("assistant", (CallPart("text", json.dumps(document)),)),)


SCRIPTS: dict[str, Callable[..., Iterator[Turn]]] = {"latin": latin, "han": han, "json": json_items}


def judging(turns: Iterator[Turn]) -> dict[str, Any]:
    """µs of `judge` where an entry of `LEAST_KNOWN` answers is at hand; of tier 1.5, were they suspicious."""
    state = grown(turns)
    references, test, rules = state.cold.references, state.hot.quality.test, Rules()
    calls: list[Call] = []
    places: Counter[str] = Counter()
    semantic: list[tuple[Place, str]] = []
    candidates: list[tuple[Call, Verdict]] = []
    for call in islice((call_of(number, turn) for number, turn in enumerate(turns, GROWN_CALLS)), 10 * CALLS):
        verdict = judge(call, references, test, rules)
        if verdict is None or verdict.place is None or references.answers(verdict.place.slot) < LEAST_KNOWN:
            continue
        calls.append(call)
        places[verdict.place.nearness] += 1
        candidates.append((call, verdict))
        if verdict.place.nearness != "near":
            semantic.append((verdict.place, verdict.answer.text))
        if len(calls) == CALLS:
            break
    if len(calls) < CALLS or not semantic:
        raise RuntimeError(f"Only {len(calls)} of {10 * CALLS} answers have references: nothing to measure.")
    return {
        "us": cost(lambda call: judge(call, references, test, rules), lambda: calls),
        "references": len(references),
        "found": dict(places),
        "semantics_us": cost(lambda asked: references.is_covered(*asked), lambda: semantic),
        "semantics_first_us": cost(
            lambda fresh: fresh.is_covered(*semantic[0]), partial(_loaded, references)
        ),
        "candidate_us": cost(lambda learned: candidate_of(*learned, references), lambda: candidates),
    }


def grown(turns: Iterator[Turn], count: int = GROWN_CALLS) -> SeriesState:
    """A series that has had so many calls."""
    state = SeriesState.fresh(series_id("bench", "quality", "answers"), "bench", "quality", "answers")
    rules = Rules()
    for number, turn in enumerate(islice(turns, count)):
        call = call_of(number, turn)
        state.positions.advance(call.src)
        step(state, call, rules, AT, call.start_ns // 1_000_000)
    return state


def table(turns: Iterator[Turn]) -> dict[str, int]:
    """Entries and bytes of a full table of references, packed; with room left, `entries` says so."""
    references = grown(turns, 4 * GROWN_CALLS).cold.references
    packed, _, door = references.pack()
    return {"entries": len(references), "packed_bytes": len(packed), "with_door_bytes": len(packed + door)}


def finding(remembered: int) -> dict[str, Any]:
    """µs of `References.find` among so many remembered prompts."""
    rng = random.Random(SEED)
    plain = [_asking(rng) for _ in range(remembered * 6 // 10)]
    valued = [_asking(rng) + " Order {order} of {name}, please." for _ in range(remembered - len(plain))]
    references = References(prompts=remembered)
    for text in (*plain, *valued):
        for _ in range(LEARNED):
            references.learn([_learned(_prompt(_filled(text, rng)), references)], (), 0)
    asked: dict[str, Callable[[], str]] = {
        "exact": lambda: rng.choice(plain),
        "template": lambda: _filled(rng.choice(valued), rng),
        "near": lambda: _changed(rng.choice(plain), rng),
        "unknown": lambda: _asking(rng),
    }
    figures: dict[str, Any] = {"remembered": len(references)}
    begin = time.process_time()
    references.find(_prompt(_asking(rng)))
    figures["index_ms"] = round(1e3 * (time.process_time() - begin), 1)
    for name, ask in asked.items():
        texts = [ask() for _ in range(CALLS)]
        found = Counter(_nearness(references.find(_prompt(text))) for text in texts)
        figures[name] = {
            "us": cost(references.find, partial(_prompts, texts)),
            "with_keys_us": cost(lambda text: references.find(_prompt(text)), partial(list, texts)),
            "found": dict(found),
        }
    return figures


def cost(work: Callable[[Item], Any], items: Callable[[], Sequence[Item]]) -> float:
    """CPU time of `work` for one item, µs: the best of several turns, each with items made anew."""
    best = float("inf")
    for _ in range(TURNS):
        todo = items()
        begin = time.process_time()
        for item in todo:
            work(item)
        best = min(best, (time.process_time() - begin) / len(todo))
    return round(1e6 * best, 1)


def _loaded(references: References) -> list[References]:
    """As they are when a worker has read them from its table."""
    fresh = References()
    fresh.load(*references.pack())
    return [fresh]


def _worded(chars: int, language: str, intents: int) -> Iterator[Turn]:
    wording = Wording(str(SEED), chars, language, intents)
    while True:
        yield wording.turn()


def call_of(number: int, turn: Turn) -> Call:
    """A call of the series with this content."""
    prompt, answer = turn
    return Call(
        src=Source("bench", "otlp", 0, number, 0),
        series_id=series_id("bench", "quality", "answers"),
        project="bench",
        service="quality",
        endpoint="answers",
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        start_ns=(START_MS + number * GAP_MS) * 1_000_000,
        duration_ms=1000.0,
        kind="llm",
        status="ok",
        input_messages=prompt,
        output_messages=answer,
    )


def _prompt(text: str) -> Prompt:
    found = prompt_of(call_of(0, ((CallMessage("user", (CallPart("text", text),)),), ())))
    assert found is not None
    return found


def _prompts(texts: list[str]) -> list[Prompt]:
    return [_prompt(text) for text in texts]


def _learned(prompt: Prompt, references: References) -> Candidate:
    sketch = [] if references.knows(prompt) else sorted(prompt.sketch())
    return Candidate(prompt.exact, prompt.template, sketch, prompt.about, [], [], 1000, "")


def _nearness(place: Place | None) -> str:
    return "none" if place is None else place.nearness


@cache
def _vocabulary() -> list[str]:
    """Words of four to twelve letters that no language has; the first ones are used most."""
    rng = random.Random(f"vocabulary {SEED}")
    letters = "etaoinshrdlucmfwyp"
    return ["".join(rng.choices(letters, k=rng.randint(4, 12))) for _ in range(WORDS)]


def _word(rng: random.Random) -> str:
    return _vocabulary()[int(WORDS ** rng.random()) - 1]  # Zipf


def _asking(rng: random.Random) -> str:
    return " ".join(_word(rng) for _ in range(PROMPT_WORDS))


def _changed(text: str, rng: random.Random) -> str:
    return " ".join(_word(rng) if rng.random() < CHANGED else word for word in text.split())


def _filled(text: str, rng: random.Random) -> str:
    name = f"{_word(rng).capitalize()} {_word(rng).capitalize()}"
    return text.replace("{order}", str(rng.randrange(10**6))).replace("{name}", name)


if __name__ == "__main__":
    main()
