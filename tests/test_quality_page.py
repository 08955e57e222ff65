"""docs/quality.md against the code: every reason with its score and tier, and every bound it names."""

import re
from pathlib import Path
from typing import get_args

from lumina_schemas.score import QualityReason, Tier
from lumina_streams.core.baseline.excursion import TEXT_CHARS as SHOWN_CHARS
from lumina_streams.core.quality.answer import HEAD_CHARS, TAIL_CHARS
from lumina_streams.core.quality.consensus import LEAST_ANSWERS, TERMS, VALUES, VARIETY
from lumina_streams.core.quality.fit import FALL, LOW
from lumina_streams.core.quality.references import PROMPTS, TEXT_CHARS, TEXTS
from lumina_streams.core.quality.score import SIGN_SCORES, SIMILARITY_SIGNS
from lumina_streams.core.series.step import FOLD_CALLS, FOLD_MS, YOUNG_CANDIDATES

PAGE = (Path(__file__).parents[1] / "docs" / "quality.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| ([\d.]+|below 0\.7) \| `(\w+)` \|", PAGE, re.MULTILINE)


def test_every_reason_is_told_with_its_score() -> None:
    told = {reason: score for reason, score, _ in ROWS}
    assert set(told) == {reason for reason in get_args(QualityReason) if reason}
    assert {reason: float(score) for reason, score in told.items() if reason != "unlike"} == SIGN_SCORES


def test_every_reason_is_told_with_its_tier() -> None:
    tiers = {reason: tier for reason, _, tier in ROWS}
    assert {reason for reason, tier in tiers.items() if tier != "signs"} == SIMILARITY_SIGNS
    assert tiers["unlike"] == "semantics"
    named = set(re.findall(r"^\| `(\w+)` \| [a-z-]", PAGE, re.MULTILINE)) - {"unlike"}
    assert named == set(get_args(Tier))


def test_the_bounds_are_those_of_the_code() -> None:
    text = " ".join(PAGE.split())
    assert f"{PROMPTS} entries" in text
    assert f"{TERMS} terms and {VALUES} values each" in text
    assert f"beginnings ({TEXT_CHARS} characters) of {TEXTS} answers" in text
    assert f"at most {LOW:.0%}".replace("%", " %") in text
    assert f"never more than {FALL:.0%}".replace("%", " %") in text
    assert VARIETY == 3
    assert "three different prompts" in text
    assert f"first {HEAD_CHARS:,} and last {TAIL_CHARS:,} characters" in text
    assert LEAST_ANSWERS == 4
    assert "Until four answers are known" in text


def test_what_is_kept_of_texts_is_told() -> None:
    assert f"beginnings ({TEXT_CHARS} characters) of {TEXTS} answers an entry, and up to {TERMS}" in PAGE
    assert f"of at most {YOUNG_CANDIDATES} answers" in PAGE
    assert f"{FOLD_CALLS} calls or {FOLD_MS // 60_000} min" in PAGE
    assert f"{SHOWN_CHARS} characters each" in PAGE
