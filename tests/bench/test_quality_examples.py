"""The examples of docs/quality.md are what the stream says of them, in series of the labelled traffic."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from labelled.text.plan import TextKind, draw_text_plan
from labelled.text.writer import USUAL, Writer
from lumina_streams.core.quality.references import TEXT_CHARS
from lumina_streams.core.quality.score import Verdict, judge
from lumina_streams.core.series.call import Call, CallMessage, CallPart
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState
from quality import Turn, call_of, grown

PAGE = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
SERIES: dict[str, tuple[TextKind, int]] = {
    "faq": ("faq", 4),
    "template": ("template", 3),
    "json": ("json", 3),
    "creative": ("creative", 4),
}
CALLS = 500
END = {
    "template": "Answer in English. If you do not know something, say so.",
    "json": "Answer in English. If you do not know something, say so.",
}
"""What all prompts of a series end in."""


@cache
def writer_of(kind: TextKind, points: int) -> Writer:
    return Writer(
        replace(
            draw_text_plan("page", kind),
            language="en",
            intents=4,
            points=points,
            phrasings=2,
            variation=0.5,
            stated=0.6,
            lists=0.0,
            refusals=0.0,
            truncated=0.0,
            empty=0.0,
            unparsed=0.0,
            history=False,
            fenced=False,
        )
    )


def _turns(writer: Writer) -> list[Turn]:
    texts = [writer.write(USUAL, "v1") for _ in range(CALLS)]
    return [(text.prompt[-1:], text.answer) for text in texts]


@cache
def series(name: str) -> SeriesState:
    return grown(iter(_turns(writer_of(*SERIES[name]))), CALLS)


def call(prompt: str, answer: str) -> Call:
    said = (CallMessage("assistant", (CallPart("text", answer),)),)
    return call_of(CALLS, ((CallMessage("user", (CallPart("text", prompt),)),), said))


def judged(name: str, prompt: str, answer: str) -> Verdict:
    state = series(name)
    prompt = f"{prompt}\n\n{END[name]}" if name in END else prompt
    verdict = judge(call(prompt, answer), state.cold.references, state.hot.quality.test, Rules())
    assert verdict is not None
    return verdict


def examples() -> list[list[str]]:
    """Cells of the rows of all tables of examples: series, prompt, earlier answer, answer, score, reason."""
    found = []
    for name, table in re.findall(r"<!-- examples: (\w+) -->\n(.*?)\n\n", PAGE, re.DOTALL):
        for row in table.splitlines()[2:]:
            cells = [cell.strip().strip("`") for cell in row.strip()[1:-1].split(" | ")]
            found.append([name, *(cell.replace("<br>", "\n") for cell in cells[:-1])])
    return found


def test_each_kind_of_series_has_examples() -> None:
    assert {row[0] for row in examples()} == set(SERIES)


@pytest.mark.parametrize("row", examples(), ids=lambda row: f"{row[0]}-{row[4] or 'good'}")
def test_an_example_is_judged_as_the_page_says(row: list[str]) -> None:
    name, prompt, answer, score, reason = row
    verdict = judged(name, prompt, answer)
    assert (f"{verdict.score:.1f}", verdict.sign or "-") == (score, reason)


def test_the_earlier_answer_is_one() -> None:
    ((prompt, name, answer),) = re.findall(
        r"^Asked `(.+)`, the (\w+) series answered `(.+)`", PAGE, re.MULTILINE
    )
    assert judged(name, prompt, answer).before == answer[:TEXT_CHARS]


def test_the_end_of_prompts_is_told() -> None:
    assert all(f'"{end}"' in PAGE for end in END.values())
