"""Series over REST: whose prompts and answers come, and what turns them on where they do not."""

import time
from collections import defaultdict
from typing import Any

import pytest
from msgspec.structs import replace

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, content, message, mixed_spans, span
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.parameters import SeriesParameters
from lumina_api.views.series import LATEST_CALLS
from lumina_schemas.mapping.instrumentations import ANY_SETTING
from lumina_schemas.span import Content, Span

NOW_NS = time.time_ns() - 60 * SECOND_NS
BARE: dict[str, Any] = {"system": "", "input_messages": (), "output_messages": ()}
SAID = (message("user", "where is my parcel?"),)
OPENLIT = "openlit.instrumentation.openai"


def call(number: int, **changes: Any) -> Span:
    return span(number, **{"start_ns": NOW_NS + number * SECOND_NS, "scope": OPENLIT} | changes)


def only(rest: Rest) -> tuple[Any, Any]:
    """What the one series says of its content."""
    (item,) = rest.items("series")
    return item["content"], item["content_setting"]


def test_a_series_without_content_names_the_setting_of_its_instrumentation(rest: Rest) -> None:
    rest.apply(rest.log.spans([call(1, **BARE)]))
    assert only(rest) == ("none", "openlit.init(capture_message_content=True)")


@pytest.mark.parametrize("side", ["input_messages", "output_messages"])
def test_a_prompt_or_an_answer_is_content_and_needs_no_setting(rest: Rest, side: str) -> None:
    rest.apply(rest.log.spans([call(1, **BARE | {side: SAID}), call(2, **BARE)]))
    assert only(rest) == ("captured", None)


def test_the_setting_is_that_of_the_latest_call(rest: Rest) -> None:
    late = call(5, **BARE, scope="pydantic-ai")
    rest.apply(rest.log.spans([late, call(1, **BARE), call(2, **BARE, scope="mine")]))
    assert only(rest) == ("none", "InstrumentationSettings(include_content=True)")
    rest.apply(rest.log.spans([call(6, **BARE, scope="mine")]))
    assert only(rest) == ("none", ANY_SETTING)


def test_content_of_log_records_is_content(rest: Rest) -> None:
    bare = call(1, **BARE)
    rest.apply(rest.log.spans([bare, content(bare, 1)]))
    assert only(rest)[0] == "none", "the log record said nothing"
    rest.apply(rest.log.spans([content(bare, 2, input_messages=SAID)]))
    assert only(rest) == ("captured", None)


@pytest.mark.parametrize("by_log", [False, True])
def test_content_of_a_further_span_of_the_call_is_content(rest: Rest, by_log: bool) -> None:
    ids = {"trace_id": "a" * 32, "response_id": "resp_1", "start_ns": NOW_NS}
    mine = call(1, **BARE, **ids, cache_read_tokens=3)
    told = BARE if by_log else BARE | {"input_messages": SAID}
    other = call(2, **told, **ids | {"scope": "openinference.instrumentation.openai"})
    lines: list[Span | Content | bytes] = [mine, other]
    if by_log:
        lines.append(content(other, 1, input_messages=SAID))
    rest.apply(rest.log.spans(lines))
    (shown,) = rest.items("calls")
    assert shown["span_id"] == mine.span_id, "the bare span is the call"
    assert only(rest) == ("captured", None)


def test_content_of_others_is_none_of_this_series(rest: Rest) -> None:
    bare = call(1, **BARE)
    elsewhere = call(2, project="bank", trace_id=bare.trace_id, span_id=bare.span_id)
    roll_up = call(3, kind="chain", priced=False, cost_usd=None, cost_status=None)
    late = content(elsewhere, 1, input_messages=SAID)
    further = call(4, project="bank", priced=False, response_id="r", trace_id="d" * 32, scope="b")
    theirs = call(4, project="bank", **BARE, response_id="r", trace_id="d" * 32, cache_read_tokens=1)
    theirs = replace(theirs, span_id=bare.span_id)
    rest.apply(rest.log.spans([bare, elsewhere, roll_up, late, further, theirs]))
    assert {item["project"]: item["content"] for item in rest.items("series")} == {
        "bank": "captured",
        "shop": "none",
    }


def test_a_capture_that_was_switched_off_shows_after_some_calls(rest: Rest) -> None:
    rest.apply(rest.log.spans([call(0)] + [call(number, **BARE) for number in range(1, LATEST_CALLS)]))
    assert only(rest)[0] == "captured"
    rest.apply(rest.log.spans([call(LATEST_CALLS, **BARE)]))
    assert only(rest)[0] == "none"


def test_sampled_calls_stand_for_more(rest: Rest) -> None:
    rest.apply(rest.log.spans([call(1, sample_rate=0.1), call(2, cost_usd=None, cost_status="unknown")]))
    (item,) = rest.items("series")
    assert (item["calls"], item["coverage"]) == (11, 10 / 11)


VALUES: dict[str, list[Any]] = {
    "project": ["shop", ["shop", "bank"], "nobody's"],
    "service": ["web", ["web", "bot"]],
    "endpoint": ["search"],
    "since": [rfc3339(NOW_NS - 4 * 3600 * SECOND_NS)],
    "until": [rfc3339(NOW_NS - 4 * 3600 * SECOND_NS)],
}


def test_each_parameter_narrows_series_and_each_series_is_the_sum_of_its_calls(rest: Rest) -> None:
    assert set(SeriesParameters.model_fields) - {"limit", "at_least"} == set(VALUES)
    spans = mixed_spans(400, seed=3, newest_ns=NOW_NS)
    rest.apply(rest.log.spans(spans))
    bound = NOW_NS - 4 * 3600 * SECOND_NS
    for name, values in [("project", [["shop", "bank", "mail"]]), *VALUES.items()]:
        for value in values:
            wanted: dict[str, list[Span]] = defaultdict(list)
            for one in spans:
                asked = value if isinstance(value, list) else [value]
                fits = {
                    "since": one.start_ns >= bound,
                    "until": one.start_ns < bound,
                }.get(name, getattr(one, name, None) in asked)
                if one.priced and fits:
                    wanted[one.series_id].append(one)
            items = rest.items("series", limit=1000, **{name: value})
            assert [item["last_call_ns"] for item in items] == sorted(
                (max(one.start_ns for one in calls) for calls in wanted.values()), reverse=True
            )
            for item in items:
                calls = wanted[item["series_id"]]
                place = (calls[0].project, calls[0].service, calls[0].endpoint)
                assert (item["project"], item["service"], item["endpoint"]) == place
                assert item["calls"] == len(calls)
                assert item["coverage"] == sum(one.cost_usd is not None for one in calls) / len(calls)
                assert item["last_call"] == rfc3339(item["last_call_ns"])
    assert rest.items("series", limit=2) == rest.items("series", limit=1000)[:2]


def test_old_series_are_shown_when_asked_for(rest: Rest) -> None:
    rest.apply(rest.log.spans([call(1, start_ns=NOW_NS - 72 * 3600 * SECOND_NS)]))
    assert rest.items("series") == []
    assert len(rest.items("series", since="7d")) == 1
