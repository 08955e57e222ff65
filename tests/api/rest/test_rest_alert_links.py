"""The paths that an alert names lead where they say, over the real REST."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, alert, span
from lumina_schemas.alert import TopSpan
from lumina_streams.core.alert.links import links_of

SINCE_MS = time.time_ns() // 1_000_000 - 2 * 86_400_000  # before what lists show by default


@pytest.mark.parametrize(
    ("service", "endpoint"),
    [
        ("checkout", "answer"),
        ("shop & co", "/chat/{id}?x=1#y"),
        ("caf\u00e9 \u2603", "100%+1"),
        ("<b>", "a\nb;c=d"),
    ],
)
def test_links_lead_to_the_alert_its_calls_and_its_traces(rest: Rest, service: str, endpoint: str) -> None:
    place = {"project": "p/q", "service": service, "endpoint": endpoint}
    since_ns = SINCE_MS * 1_000_000
    calls = [span(number, start_ns=since_ns + (number - 6) * SECOND_NS, **place) for number in range(1, 11)]
    others = [span(100, start_ns=since_ns + SECOND_NS, project="p/q", service="other")]
    rest.apply(rest.log.spans([*calls, *others]))
    new = calls[5:]
    shown = [TopSpan(one.trace_id, one.span_id, "2026-01-01T12:00:00Z", 0.1) for one in [*new[:2], new[0]]]
    links = links_of(alert(1).id, "p/q", service, endpoint, SINCE_MS, shown)
    rest.apply(rest.log.alert(alert(1, links=links, **place)))

    assert list(links) == ["self", "calls", "trace_1", "trace_2"]
    assert rest.get(links["self"])["links"] == links
    found = rest.get(links["calls"])["items"]
    assert {item["span_id"] for item in found} == {one.span_id for one in new}
    for number in (1, 2):
        trace = rest.get(links[f"trace_{number}"])
        assert new[number - 1].span_id in {item["span_id"] for item in trace["spans"]}


def test_a_name_that_rest_does_not_take_has_no_link() -> None:
    for place in (("p", "s", ""), ("p", "s" * 1001, "e"), ("", "s", "e")):
        assert list(links_of("i", *place, SINCE_MS, [])) == ["self"]
    assert links_of("i", "", "s", "e", 0, [TopSpan("ab", "cd", "")])["trace_1"] == "/api/v1/traces/ab"


def test_a_link_is_plain_ascii() -> None:
    link = links_of("a/../b?c", "\u2028", "\x1b[2J", "\"'<>\\", SINCE_MS, [TopSpan("../x", "1", "")])
    for path in link.values():
        assert path.isascii() and path.isprintable() and not {'"', "'", "<", ">", " ", "\\"} & set(path)
    assert link["self"] == "/api/v1/alerts/a%2F..%2Fb%3Fc"
    asked = parse_qs(urlsplit(link["calls"]).query)
    assert (asked["service"], asked["endpoint"]) == (["\x1b[2J"], ["\"'<>\\"])
