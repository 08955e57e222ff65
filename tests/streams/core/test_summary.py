"""The name of a place in an alert's sentence."""

import pytest

from lumina_streams.core.alert.summary import place_of


@pytest.mark.parametrize(
    ("endpoint", "place"),
    [
        ("/chat", "shop/chat"),
        ("ticket-reply", "shop/ticket-reply"),
        ("/v1/chat", "shop/v1/chat"),
        ("/", "shop/"),
    ],
)
def test_a_route_brings_its_slash_along(endpoint: str, place: str) -> None:
    assert place_of("shop", endpoint) == place
