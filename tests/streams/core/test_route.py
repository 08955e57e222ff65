"""Ids go from the names of endpoints, words stay."""

import random
import string
import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lumina_streams.core.span.route import MAX_CHARS, templated


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/users/123/orders/9f8e7d6c", "/users/{id}/orders/{id}"),
        ("/users/550e8400-e29b-41d4-a716-446655440000/answer", "/users/{id}/answer"),
        ("/order-550e8400-e29b-41d4-a716-446655440000", "/order-{id}"),
        ("/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{id}"),
        ("/c/clh3am1f30000udocbhqg4151", "/c/{id}"),
        ("/n/V1StGXR8_Z5jdHi6B-myT", "/n/{id}"),
        ("/m/ada@example.com/x", "/m/{id}/x"),
        ("/m/ada%40example.com", "/m/{id}"),
        ("/d/2026-11-24/x", "/d/{id}/x"),
        ("/d/2026-11-24T10:00:00Z", "/d/{id}"),
        ("/files/123456.json", "/files/{id}.json"),
        ("/v1/models/42:predict", "/v1/models/{id}:predict"),
        ("/tickets/user_829347", "/tickets/user_{id}"),
        ("/chat?session=99&x=/a", "/chat"),
        ("/chat#top", "/chat"),
        ("/chat;jsessionid=ABC/x", "/chat/x"),
        ("POST /users/7", "POST /users/{id}"),
        ("https://api.example.com/users/7?q=1", "https://api.example.com/users/{id}"),
        # What frameworks say is a template already.
        ("/users/{id}", "/users/{id}"),
        ("/users/{user_id:path}", "/users/{user_id:path}"),
        ("/users/:id", "/users/:id"),
        ("/users/:id?/edit", "/users/:id?/edit"),
        ("/users/<int:pk>/", "/users/<int:pk>/"),
        ("/[[...slug]]", "/[[...slug]]"),
        (r"^users/(?P<pk>[0-9]+)/$", r"^users/(?P<pk>[0-9]+)/$"),
        # Words with numbers.
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/api/v2beta1/answer-2", "/api/v2beta1/answer-2"),
        ("/models/gpt-4o-mini-2024-07-18", "/models/gpt-4o-mini-2024-07-18"),
        ("/getHTMLForURLAndPDF", "/getHTMLForURLAndPDF"),
        ("/checkoutv2final2024", "/checkoutv2final2024"),
        ("/deadbeef/defaced", "/deadbeef/defaced"),
        # Names that are no paths.
        ("550e8400-e29b-41d4-a716-446655440000", "{id}"),
        ("session 550e8400-e29b-41d4-a716-446655440000", "session {id}"),
        ("8293471", "{id}"),
        ("42", "42"),
        ("step/3", "step/3"),
        ("answer 2", "answer 2"),
        ("pkg.Service/Method", "pkg.Service/Method"),
        ("", ""),
    ],
)
def test_ids_become_one_and_words_stay(name: str, expected: str) -> None:
    assert templated(name) == expected


IDS = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda value: value.hex),
    st.integers(0, 10**18).map(str),
    st.dates().map(str),
)
PLAIN = st.one_of(
    st.text(string.ascii_letters, min_size=1, max_size=15),
    st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), min_size=1, max_size=5).map("-".join),
    st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=12), min_size=1, max_size=5).map("_".join),
    st.sampled_from(["v1", "v2", "XMLHttpRequestHTMLParser", "getUserOrdersByIdAndName"]),
)


@given(st.text(max_size=600) | st.lists(IDS | PLAIN | st.text(max_size=30), max_size=60).map("/".join))
def test_it_is_idempotent_and_bounded(name: str) -> None:
    for one in (name, "/" + name):
        made = templated(one)
        assert len(made) <= MAX_CHARS
        assert templated(made) == made


@given(
    st.lists(PLAIN, min_size=1, max_size=5).filter(lambda words: sum(map(len, words)) < 190), st.booleans()
)
def test_plain_words_are_never_made_one(words: list[str], rooted: bool) -> None:
    name = "/" * rooted + "/".join(words)
    assert templated(name) == name


@given(st.lists(st.tuples(PLAIN, IDS), min_size=1, max_size=4))
def test_whatever_the_ids_the_endpoint_is_one(pairs: list[tuple[str, str]]) -> None:
    paths = {
        "/" + "/".join(f"{word}/{made}" for (word, _), made in zip(pairs, ids, strict=True))
        for ids in ([one for _, one in pairs], [str(uuid.UUID(int=n)) for n in range(len(pairs))])
    }
    assume(max(map(len, paths)) < MAX_CHARS)  # a path that is cut ends where its ids let it
    assert len({templated(path) for path in paths}) == 1


def test_random_ids_of_usual_kinds_are_few_endpoints() -> None:
    rng = random.Random(1)
    alphabet = {
        "base62 of 22": (string.ascii_letters + string.digits, 22),
        "base36 of 25": (string.ascii_lowercase + string.digits, 25),
        "ULID": ("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26),
        "nanoid": (string.ascii_letters + string.digits + "-_", 21),
        "hex of 24": ("0123456789abcdef", 24),
    }
    for kind, (letters, length) in alphabet.items():
        made = {templated("/u/" + "".join(rng.choices(letters, k=length))) for _ in range(2_000)}
        assert len(made) < 200, (kind, len(made), sorted(made)[:20])
