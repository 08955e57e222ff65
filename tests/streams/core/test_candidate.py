"""What a good answer leaves for the next fold: its terms and the beginning of its text."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.quality.candidate import MOST_TERMS, MOST_VALUES, candidate_of
from lumina_streams.core.quality.consensus import ECHO, JSON_MARKS
from lumina_streams.core.quality.references import TEXT_CHARS, Candidate
from lumina_streams.core.quality.score import shape_key
from streams.core.judged import Judged

QUESTION = "Where is order 48213 of customer Ada Byron?"


def left(question: str, answer: str, series: Judged | None = None) -> Candidate:
    series = Judged() if series is None else series
    call = series.call(question, answer)
    return candidate_of(call, series.say(question, answer), series.references)


def test_what_the_prompt_brought_is_one_term() -> None:
    found = left(
        QUESTION,
        "The parcel 77 with order 48213 of Ada Byron was given to the carrier this morning in Porto.",
    )
    assert ECHO in found.terms
    assert b" 48213 " not in found.terms, "a number of the prompt"
    assert b" byron" not in found.terms, "a name of the prompt"
    assert b" 77 " in found.terms
    assert b" porto" in found.terms
    assert b" porto" in found.named
    assert set(found.named) <= set(found.terms)


def test_numbers_that_the_prompt_does_not_hold_are_values() -> None:
    assert left(QUESTION, "Order 48213 comes on the 7th.").values == [], "single digits number lists"
    assert len(left(QUESTION, "Order 48213 comes in 14 days, or in 21.").values) == 2
    many = " ".join(str(number) for number in range(100, 200))
    assert len(left(QUESTION, many).values) == MOST_VALUES


def test_json_is_learned_by_shape_and_by_value() -> None:
    value = {"state": "sent", "days": 14, "note": "a long text that nobody would take for a value"}
    found = left(QUESTION, json.dumps(value))
    assert {term[:1] for term in found.terms} == JSON_MARKS
    assert len(found.shape) == 3
    assert set(found.shape) < set(found.terms)
    assert len(found.values) == 2
    assert found.shape_key == shape_key(Judged().call("", ""))
    assert left(QUESTION, "No JSON.").shape_key == b""
    assert len(left(QUESTION, json.dumps({f"key{n}": n for n in range(99)})).terms) == MOST_TERMS


def test_of_a_long_answer_the_heaviest_terms_are_learned() -> None:
    light = " ".join(f"w{letter}{other}" for letter in "abcdefgh" for other in "abcdefgh")
    found = left(QUESTION, f"{light} 14 considerable amounts")
    assert len(found.terms) == MOST_TERMS
    assert {b" 14 ", b" consid", b" amount"} <= set(found.terms)


def test_text_is_kept_until_enough_is_known_and_the_sketch_until_the_prompt_is() -> None:
    series = Judged()
    answers = [f"Your parcel is on its way, {word}." for word in ("indeed", "surely", "clearly")]
    first = left(QUESTION, answers[0] + " Please wait." * 90, series)
    assert len(first.text) == TEXT_CHARS
    assert first.sketch
    series.learn((QUESTION, answer) for answer in answers)
    known = left(QUESTION, answers[0], series)
    assert (known.text, known.sketch) == ("", [])
    other = left(QUESTION.replace("48213", "1"), answers[0], series)
    assert other.sketch == [], "its template is known"


@given(st.text(max_size=300), st.text(min_size=1, max_size=300))
@settings(deadline=None)
def test_any_answer_can_be_learned(question: str, answer: str) -> None:
    series = Judged()
    verdict = series.say(question, answer)
    if verdict.prompt is None:
        return
    found = candidate_of(series.call(question, answer), verdict, series.references)
    assert len(found.terms) <= MOST_TERMS
    assert len(found.values) <= MOST_VALUES
    assert len(found.text) <= TEXT_CHARS
    assert set(found.named) <= set(found.terms)
    for fold in range(6):
        series.references.learn([found], [], fold)
    place = series.references.find(verdict.prompt)
    assert place is None or place.nearness in ("exact", "template")
