"""What a caller shows, whatever it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_api.access.credentials import Credential, bearer_of, credential_of
from lumina_api.access.refused import Refused

SECRET = "A" * 42 + "-"
WHOLE = f"lk_{'0123456789abcdef'}_{SECRET}"

ids = st.text("0123456789abcdef", min_size=16, max_size=16)
secrets = st.text("ABCxyz019-_", min_size=43, max_size=43)


@given(ids, secrets, st.sampled_from(["Bearer", "bearer", "BEARER", "bEaReR"]), st.integers(1, 3))
def test_a_key_is_read_as_it_was_written(id: str, secret: str, scheme: str, blanks: int) -> None:
    token = bearer_of([f"{scheme}{' ' * blanks}lk_{id}_{secret}"])
    assert token is not None
    assert credential_of(token) == Credential(id, secret)


def read(token: str) -> Credential | Refused | None:
    try:
        return credential_of(token)
    except Refused as refused:
        return refused


@given(st.text() | st.from_regex(r"(?i)bearer [a-z0-9._~+/-]{0,60}=*", fullmatch=True))
def test_any_text_is_a_token_or_none(text: str) -> None:
    token = bearer_of([text])
    assert token is None or re.fullmatch(r"[\x21-\x7e]+", token)
    assert token is None or isinstance(read(token), Refused) == token.startswith("lk_")


@given(st.text("lk_0af-Z=.", max_size=70))
def test_what_begins_as_a_key_is_one_or_refused(rest: str) -> None:
    found = read(f"lk_{rest}")
    if isinstance(found, Credential):
        assert f"lk_{found.id}_{found.secret}" == f"lk_{rest}"
    else:
        assert isinstance(found, Refused)
        assert found.status == 401
        assert len(rest) < 5 or rest not in found.message


@pytest.mark.parametrize(
    "header",
    ["", "Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Bearer a b", WHOLE, f"Token {WHOLE}", "Bearer é"],
)
def test_other_authorizations_are_none_of_ours(header: str) -> None:
    assert bearer_of([header]) is None


def test_another_systems_token_is_no_key() -> None:
    assert credential_of("eyJhbGciOi.J9.x") is None


def test_several_headers_are_refused() -> None:
    with pytest.raises(Refused, match="several") as caught:
        bearer_of([f"Bearer {WHOLE}", f"Bearer {WHOLE}"])
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("cut", [WHOLE[:-1], WHOLE + "A", WHOLE.replace("0", "G"), WHOLE.upper(), "lk_"])
def test_a_key_in_pieces_says_so(cut: str) -> None:
    if cut.startswith("LK"):
        assert credential_of(cut) is None
        return
    with pytest.raises(Refused, match="no whole key"):
        credential_of(cut)
