"""Calls wait for their score for a moment, in bounded memory; nothing is lost and nothing comes twice."""

import random

import msgspec
import pytest

from api.views.span_lines import score, span
from lumina_api.commands import pairing
from lumina_api.commands.pairing import WAIT_S, Judged, Pairing, may_be_judged
from lumina_schemas.score import Score
from lumina_schemas.span import Span


def test_a_call_comes_with_its_score_whichever_was_first() -> None:
    pairs, one, two = Pairing(), span(1), span(2)
    assert list(pairs.span(one, 0.0)) == []
    assert list(pairs.score(score(one))) == [Judged(one, score(one))]
    assert list(pairs.score(score(two))) == []
    assert list(pairs.span(two, 0.0)) == [Judged(two, score(two))]
    assert list(pairs.due(99.0)) == []


def test_without_a_score_it_comes_when_its_time_is_over_and_once() -> None:
    pairs, one, two = Pairing(), span(1), span(2)
    assert pairs.wait_s(5.0) is None
    assert list(pairs.span(one, 5.0)) == list(pairs.span(two, 5.5)) == []
    assert pairs.wait_s(6.0) == WAIT_S - 1.0
    assert list(pairs.due(5.0 + WAIT_S - 0.01)) == []
    assert list(pairs.due(5.0 + WAIT_S)) == [Judged(one, None)]
    assert list(pairs.score(score(one))) == []
    assert list(pairs.due(99.0)) == [Judged(two, None)]


def test_the_same_ids_in_another_project_are_another_call() -> None:
    pairs, one = Pairing(), span(1)
    assert list(pairs.span(one, 0.0)) == []
    assert list(pairs.score(score(one, project="bank"))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "tool"},
        {"kind": "embedding"},
        {"status": "error"},
        {"duplicate_of": "a" * 16},
        {"clock_skew": True},
        {"input_messages": (), "output_messages": ()},
    ],
)
def test_what_is_never_judged_does_not_wait(changes: dict[str, object]) -> None:
    one = msgspec.structs.replace(span(1), **changes)
    assert not may_be_judged(one)
    assert list(Pairing().span(one, 0.0)) == [Judged(one, None)]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that wait go without a score, the first scores are forgotten."""
    monkeypatch.setattr(pairing, "MOST_WAITING", 3)
    monkeypatch.setattr(pairing, "MOST_SCORES", 3)
    pairs, spans = Pairing(), [span(number) for number in range(5)]
    out = [judged for one in spans for judged in pairs.span(one, 0.0)]
    assert out == [Judged(one, None) for one in spans[:2]]
    pairs = Pairing()
    for one in spans:
        assert list(pairs.score(score(one))) == []
    assert [list(pairs.span(one, 0.0)) for one in spans] == [
        [],
        [],
        *([Judged(s, score(s))] for s in spans[2:]),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_every_call_comes_once(seed: int) -> None:
    rng = random.Random(seed)
    pairs, spans = Pairing(), [span(number) for number in range(30)]
    judged = [one for one in spans if rng.random() < 0.7]
    arriving: list[Span | Score] = [*spans, *map(score, judged)]
    rng.shuffle(arriving)
    out: list[Judged] = []
    now = 0.0
    for one in arriving:
        now += rng.random()
        out += pairs.due(now)
        out += pairs.score(one) if isinstance(one, Score) else pairs.span(one, now)
    out += pairs.due(now + WAIT_S)
    assert sorted(one.span.span_id for one in out) == sorted(one.span_id for one in spans)
    assert all(one.score is None or one.score.span_id == one.span.span_id for one in out)
    assert any(one.score is not None for one in out)
