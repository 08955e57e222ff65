"""Hostile text on a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from lumina_api.text import plain


@given(st.text(), st.integers(0, 50))
def test_nothing_that_a_terminal_obeys_is_left(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert shown.isprintable()
    assert not limit or len(shown) <= limit


def test_escape_sequences_and_overrides_are_broken() -> None:
    assert plain("a\x1b[31mred\u202ecod\x9b2J") == "a·[31mred·cod·2J"


def test_white_space_becomes_one_space_and_long_text_is_cut() -> None:
    assert plain(" a\r\n\tb\u2028c ") == "a b c"
    assert plain("abcdef", 4) == "abc…"
    assert plain("grüße 你好") == "grüße 你好"
