"""Cookies of logins: forged, altered, expired, of other keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_api.access.secret import digest_of
from lumina_api.access.session import made, opened

ID, DIGEST, END = "0123456789abcdef", digest_of("secret"), 2_000
SESSION = made(ID, END, DIGEST, "pepper")


def test_a_session_opens_with_its_key_until_its_end() -> None:
    assert opened(SESSION.cookie, DIGEST, "pepper", END - 1) == SESSION
    assert opened(SESSION.cookie, DIGEST, "pepper", END) is None


def test_every_replica_makes_the_same() -> None:
    assert made(ID, END, DIGEST, "pepper") == SESSION


@pytest.mark.parametrize(
    ("digest", "pepper"), [(digest_of("other"), "pepper"), (DIGEST, ""), (DIGEST, "another pepper")]
)
def test_it_does_not_open_with_another_key(digest: str, pepper: str) -> None:
    assert opened(SESSION.cookie, digest, pepper, 0) is None


@given(st.integers(0, len(SESSION.cookie) - 1), st.characters(codec="latin-1"))
def test_no_character_can_be_another(place: int, character: str) -> None:
    altered = SESSION.cookie[:place] + character + SESSION.cookie[place + 1 :]
    assert (opened(altered, DIGEST, "pepper", 0) is None) == (altered != SESSION.cookie)


@given(st.text())
def test_any_text_is_no_session(text: str) -> None:
    assert opened(text, DIGEST, "pepper", 0) is None


def test_a_longer_end_cannot_be_written_into_it() -> None:
    id, end, mac = SESSION.cookie.split(".")
    assert opened(f"{id}.{int(end) + 1}.{mac}", DIGEST, "pepper", 0) is None
    assert opened(f"{id}.0{end}.{mac}", DIGEST, "pepper", 0) is None


def test_the_token_of_the_page_is_not_in_the_cookie_and_of_this_login_alone() -> None:
    later = made(ID, END + 1, DIGEST, "pepper")
    assert SESSION.csrf not in SESSION.cookie
    assert later.csrf != SESSION.csrf
    assert opened(f"{ID}.{END}.{SESSION.csrf}", DIGEST, "pepper", 0) is None
