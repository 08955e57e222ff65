"""Which rule is in force: against a plain search through all of them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.control import Mark
from lumina_schemas.rule import Rule
from lumina_schemas.source import Source
from lumina_streams.core.series.rulebook import (
    MARKS_MS,
    MOST_MARKS,
    MOST_RULES,
    OVERRIDES,
    RuleBook,
    RuleBookFullError,
)
from lumina_streams.core.series.rules import Rules

DEFAULTS = Rules(cost_spike_pct=30, quality_min=0.5)
PLACES = [(p, s, e) for p in ("shop", "bank", "") for s in ("web", "") for e in ("/chat", "/ask", "")]


def rule(number: int = 1, project: str = "", service: str = "", endpoint: str = "") -> Rule:
    return Rule(v=1, project=project, service=service, endpoint=endpoint, min_samples=10 + number)


def test_the_most_specific_rule_is_in_force_alone() -> None:
    book = RuleBook(DEFAULTS)
    assert book.rules_for("shop", "web", "/chat") == DEFAULTS
    asked = [
        Rule(v=1, cooldown_s=1, cost_spike_pct=90),
        Rule(v=1, project="shop", cooldown_s=2),
        Rule(v=1, service="web", cooldown_s=3),
        Rule(v=1, project="shop", service="web", cooldown_s=4),
        Rule(v=1, endpoint="/chat", cooldown_s=5),
        Rule(v=1, project="shop", service="web", endpoint="/chat", cooldown_s=6),
    ]
    for number, one in enumerate(asked):
        book.take(f"{9 - number}", one)
        assert book.rules_for("shop", "web", "/chat").cooldown_s == number + 1
    assert book.rules_for("shop", "web", "/chat").cost_spike_pct == DEFAULTS.cost_spike_pct
    assert book.rules_for("bank", "cli", "/ask") == msgspec.structs.replace(
        DEFAULTS, cooldown_s=1, cost_spike_pct=90
    )
    for number in reversed(range(len(asked))):
        assert book.rules_for("shop", "web", "/chat").cooldown_s == number + 1
        book.take(f"{9 - number}", None)
    assert book.rules_for("shop", "web", "/chat") == DEFAULTS


def test_every_field_of_a_rule_is_an_override() -> None:
    named = set(Rule.__struct_fields__) - {"v", "project", "service", "endpoint"}
    assert set(OVERRIDES) == named


def test_a_full_book_takes_changes_but_no_new_rule() -> None:
    book = RuleBook(DEFAULTS)
    for number in range(MOST_RULES):
        book.take(f"{number}", rule(number))
    before = book.pack()
    with pytest.raises(RuleBookFullError, match="remove one"):
        book.take("one more", rule())
    assert book.pack() == before
    book.take("0", rule(project="shop"))
    book.take("1", None)
    book.take("one more", rule())
    assert len(book) == MOST_RULES


def test_bytes_that_it_did_not_write_are_refused() -> None:
    with pytest.raises(ValueError, match="Unreadable"):
        RuleBook.unpack(b"\xc1", DEFAULTS)
    with pytest.raises(ValueError, match="version 9"):
        RuleBook.unpack(b"\x93\x09\x80\x80", DEFAULTS)


changes = st.lists(
    st.tuples(
        st.sampled_from("abcdef"), st.none() | st.builds(rule, st.integers(1, 50)), st.sampled_from(PLACES)
    ),
    max_size=30,
)


@given(changes, st.integers(0, 30))
def test_it_is_what_a_search_through_all_rules_finds(
    script: list[tuple[str, Rule | None, tuple[str, str, str]]], restart: int
) -> None:
    book, plain = RuleBook(DEFAULTS), dict[str, Rule]()
    for number, (rule_id, asked, (project, service, endpoint)) in enumerate(script):
        plain.pop(rule_id, None)
        if asked is not None:
            asked = msgspec.structs.replace(asked, project=project, service=service, endpoint=endpoint)
            plain[rule_id] = asked
        assert book.positions.advance(Source("settings", "control", 0, number, 0))
        book.take(rule_id, asked)
        if number == restart:
            book = RuleBook.unpack(book.pack(), DEFAULTS)
        for place in PLACES:
            assert book.rules_for(*place).min_samples == searched(plain, place)
    again = RuleBook.unpack(book.pack(), DEFAULTS)
    assert again.pack() == book.pack()
    assert not script or not again.positions.advance(Source("settings", "control", 0, len(script) - 1, 0))


def searched(rules: dict[str, Rule], place: tuple[str, str, str]) -> int:
    """`min_samples` of the rule in force for a place."""
    meeting = [
        ((not one.endpoint, not one.service, not one.project), rule_id, one)
        for rule_id, one in rules.items()
        if all(
            asked in ("", name)
            for asked, name in zip((one.project, one.service, one.endpoint), place, strict=True)
        )
    ]
    found = min(meeting, default=None, key=lambda entry: entry[:2])
    if found is None:
        return DEFAULTS.min_samples
    return found[2].min_samples or 0


def mark(mark_id: str, at_ms: int = 0, **place: Any) -> Mark:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return Mark(v=1, type="mark", id=mark_id, text=f"release {mark_id}", at=at, by="ada", **place)


def test_marks_meet_the_series_of_their_place_newest_last() -> None:
    book = RuleBook(DEFAULTS)
    assert book.take_mark(mark("b", 2_000), 0)
    assert book.take_mark(mark("a", 1_000, service="web"), 0)
    assert book.take_mark(mark("c", 3_000, project="shop", service="web", endpoint="/ask"), 0)
    assert not book.take_mark(mark("b", 9_000), 0), "a second one with an id changes nothing"
    assert [one.at_ms for one in book.marks_for("shop", "web", "/ask")] == [1_000, 2_000, 3_000]
    assert [one.text for one in book.marks_for("shop", "web", "/chat")] == ["release a", "release b"]
    assert [one.text for one in book.marks_for("bank", "cli", "/chat")] == ["release b"]
    rules = book.rules_for("shop", "web", "/chat")
    assert rules == msgspec.structs.replace(DEFAULTS, marks=book.marks_for("shop", "web", "/chat"))
    assert book.rules_for("bank", "web", "/chat") is rules, "places of the same rules share them"
    again = RuleBook.unpack(book.pack(), DEFAULTS)
    assert again.pack() == book.pack()
    assert again.rules_for("shop", "web", "/ask") == book.rules_for("shop", "web", "/ask")


def test_marks_are_bounded_in_number_and_time() -> None:
    book = RuleBook(DEFAULTS)
    for number in range(MOST_MARKS + 5):
        book.take_mark(mark(f"{number}", number), 0)
    kept = book.marks_for("", "", "")
    assert [one.at_ms for one in kept] == list(range(5, MOST_MARKS + 5))
    book.take_mark(mark("new", MARKS_MS), MARKS_MS + 100)
    assert [one.at_ms for one in book.marks_for("", "", "")] == [*range(100, MOST_MARKS + 5), MARKS_MS]


def test_active_series_are_of_the_project_and_a_rule_keeps_them() -> None:
    book = RuleBook(DEFAULTS)
    book.take("one", rule(1, project="shop"))
    book.count({"shop": 20})
    assert book.rules_for("shop", "web", "/chat") == msgspec.structs.replace(
        DEFAULTS, min_samples=11, active_series=20
    )
    assert book.rules_for("bank", "web", "/chat").active_series == 1
    book.count({"bank": 3})
    assert book.rules_for("shop", "web", "/chat").active_series == 1
    assert book.rules_for("bank", "web", "/chat").active_series == 3
