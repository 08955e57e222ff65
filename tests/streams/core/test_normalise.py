"""Normalising single messages built by hand, and arbitrary ones."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.mapping import content, costs, fields, kinds, retrieval, usage
from lumina_schemas.partition import series_id
from lumina_schemas.source import Source
from lumina_schemas.span import Content, Message, Part, Span
from lumina_streams.core.content.messages import text_of
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.draft import END_BEFORE_START, draft_of
from lumina_streams.core.span.lines import encode_line, fit
from lumina_streams.core.span.normalise import INVALID_IDS, Landing, Normalised, normalise
from lumina_streams.core.span.traces import settled
from streams.core.otlp_values import fill

PRICES = PriceBook()
LANDING = Landing("epoch", "otlp", 3, 17)
START = 1_764_000_000_000_000_000


def request(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> ExportTraceServiceRequest:
    """A request of one resource; a span is its fields, with `attributes`, `scope` and `events`."""
    made = ExportTraceServiceRequest()
    resource_spans = made.resource_spans.add()
    fill(resource_spans.resource.attributes, resource or {"service.name": "shop"})
    for number, fields_of in enumerate(spans):
        span = dict(fields_of)
        scope = resource_spans.scope_spans.add()
        scope.scope.name = span.pop("scope", "test")
        one = scope.spans.add()
        fill(one.attributes, span.pop("attributes", {}))
        for name, at, attributes in span.pop("events", ()):
            event = one.events.add(name=name, time_unix_nano=at)
            fill(event.attributes, attributes)
        status = span.pop("status", 0)
        one.status.code = status
        one.trace_id = span.pop("trace_id", b"t" * 16)
        one.span_id = span.pop("span_id", bytes([0] * 7 + [number + 1]))
        one.start_time_unix_nano = span.pop("start", START)
        one.end_time_unix_nano = span.pop("end", START + 10**9)
        one.kind = span.pop("kind", 3)
        one.name = span.pop("name", "chat model")
        one.parent_span_id = span.pop("parent", b"")
        one.trace_state = span.pop("trace_state", "")
        assert not span
    return made


CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}


def one(attributes: dict[str, Any], resource: dict[str, Any] | None = None, **span: Any) -> Span:
    (found,) = normalise(
        request({"attributes": attributes, **span}, resource=resource), LANDING, PRICES
    ).spans
    return found


def test_a_call_becomes_a_priced_span() -> None:
    span = one(CALL | {"server.port": 443})
    assert span.src == Source("epoch", "otlp", 3, 17, 0)
    assert (span.project, span.service, span.endpoint) == ("default", "shop", "chat")
    assert span.series_id == series_id("default", "shop", "chat")
    assert (span.kind, span.operation, span.provider) == ("llm", "chat", "openai")
    assert (span.cost_usd, span.cost_status, span.priced) == (0.00021, "exact", True)
    assert span.attributes == {"server.port": 443}
    assert span.duration_ms == 1000.0


def test_spans_are_in_canonical_order() -> None:
    found = normalise(
        request(
            {"span_id": b"\2" * 8, "end": START + 5},
            {"span_id": b"\1" * 8, "end": START + 5},
            {"span_id": b"\3" * 8, "end": START + 1},
        ),
        LANDING,
        PRICES,
    ).spans
    assert [(span.span_id[:2], span.src.ordinal) for span in found] == [("03", 0), ("01", 1), ("02", 2)]


@pytest.mark.parametrize(
    ("trace_id", "span_id"),
    [(b"", b"s" * 8), (bytes(16), b"s" * 8), (b"t" * 16, bytes(8)), (b"t" * 8, b"s" * 8), (b"t" * 16, b"")],
)
def test_invalid_ids_are_rejected_alone(trace_id: bytes, span_id: bytes) -> None:
    body = request({"trace_id": trace_id, "span_id": span_id, "name": "bad"}, {"name": "good"})
    result = normalise(body, LANDING, PRICES)
    assert [span.name for span in result.spans] == ["good"]
    (rejected,) = result.rejected
    assert rejected.reason == INVALID_IDS
    alone = ExportTraceServiceRequest.FromString(rejected.body)
    assert [s.name for r in alone.resource_spans for c in r.scope_spans for s in c.spans] == ["bad"]
    assert alone.resource_spans[0].resource == body.resource_spans[0].resource


def test_end_before_start_and_far_off_times_are_kept() -> None:
    span = one(CALL, start=START, end=START - 7)
    assert (span.duration_ms, span.attributes[END_BEFORE_START]) == (0.0, 7)
    span = one(CALL, start=2**64 - 2, end=2**64 - 1)
    assert (span.start_ns, span.duration_ms) == (2**63 - 1, 0.0)
    assert one(CALL, start=0, end=0).start_ns == 0


@pytest.mark.parametrize(
    ("given", "named", "expected"),
    [
        (None, None, "default"),
        (None, "team-a", "team-a"),
        ("door", "team-a", "door"),
        (None, "no spaces please", "default"),
        (None, "x" * 101, "default"),
        (None, 7, "default"),
    ],
)
def test_project(given: str | None, named: Any, expected: str) -> None:
    resource = {"service.name": "shop"} | ({"lumina.project": named} if named is not None else {})
    (span,) = normalise(
        request({"attributes": CALL}, resource=resource),
        msgspec.structs.replace(LANDING, project=given),
        PRICES,
    ).spans
    assert span.project == expected


def test_service_and_environment() -> None:
    assert one(CALL, {"x": 1}).service == "unknown_service"
    assert one(CALL, {"deployment.environment": "prod"}).environment == "prod"
    both = {"deployment.environment": "old", "deployment.environment.name": "new"}
    assert one(CALL, both).environment == "new"


def test_release() -> None:
    span = one(CALL, {"service.version": "1.4.2", "langfuse.release": "abc"})
    assert (span.release, span.resource["service.version"]) == ("1.4.2", "1.4.2")
    assert one(CALL, {"langfuse.release": "abc"}).release == "abc"
    span = one(CALL | {"langfuse.release": "of the span"})
    assert (span.release, span.attributes["langfuse.release"]) == ("of the span", "of the span")
    assert one(CALL, {"service.version": 7}).release == ""
    assert one(CALL, {"service.version": "x" * 999}).release == "x" * 200


@pytest.mark.parametrize(
    ("after_ns", "appended", "expected"),
    [
        (600 * 10**9, True, False),
        (600 * 10**9 + 1, True, True),
        (10**18, True, True),
        (-(10**18), True, False),  # late is no wrong clock: exporters retry for hours
        (10**18, False, False),  # nobody knows when the log took it
    ],
)
def test_clock_skew_is_told_by_the_end_and_the_time_of_the_log(
    after_ns: int, appended: bool, expected: bool
) -> None:
    landing = msgspec.structs.replace(LANDING, appended_ms=START // 10**6 if appended else None)
    end = START + after_ns
    spans = request(
        {"attributes": CALL, "start": end - 5, "end": end},
        {"attributes": CALL, "start": START, "end": START + 1, "span_id": b"neighbou"},
    )
    flags = {span.span_id: span.clock_skew for span in normalise(spans, landing, PRICES).spans}
    assert flags == {b"neighbou".hex(): False, "0000000000000001": expected}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "chat"),
        ({"gen_ai.agent.name": "planner"}, "planner"),
        ({"gen_ai.agent.name": "planner", "gen_ai.prompt.name": "answer"}, "answer"),
        ({"gen_ai.prompt.name": "answer", "lumina.endpoint": "mine"}, "mine"),
        ({"traceloop.workflow.name": "", "gen_ai.workflow.name": "flow"}, "flow"),
    ],
)
def test_endpoint(more: dict[str, Any], expected: str) -> None:
    assert one(CALL | more).endpoint == expected
    assert one(CALL | more | {"gen_ai.request.model": "gpt-4o"}, name="chat gpt-4o").endpoint == expected


def test_endpoint_is_the_route_of_the_serving_root_not_of_a_client() -> None:
    root, client, call = b"\1" * 8, b"\2" * 8, b"\3" * 8
    found = normalise(
        request(
            {"span_id": root, "kind": 2, "name": "POST", "attributes": {"http.route": "/answer"}},
            {"span_id": client, "parent": root, "kind": 3, "attributes": {"http.route": "/v1/messages"}},
            {"span_id": call, "parent": client, "attributes": CALL},
        ),
        LANDING,
        PRICES,
    ).spans
    assert {span.endpoint for span in found} == {"/answer"}
    assert one(CALL | {"http.route": "/v1/messages"}).endpoint == "chat"


def test_parents_in_a_ring_end() -> None:
    found = normalise(
        request(
            {"span_id": b"\1" * 8, "parent": b"\2" * 8, "attributes": CALL | {"http.route": "/a"}, "kind": 2},
            {"span_id": b"\2" * 8, "parent": b"\1" * 8, "attributes": CALL},
        ),
        LANDING,
        PRICES,
    ).spans
    assert [span.endpoint for span in found] == ["/a", "/a"]


def test_roll_ups_are_never_priced() -> None:
    for operation in ("invoke_agent", "create_agent", "agent_step", "invoke_workflow", "execute_task"):
        span = one(CALL | {"gen_ai.operation.name": operation})
        assert not span.priced
        assert span.candidate == (operation != "create_agent")  # its tokens may be told by nobody else
        assert span.input_tokens == 1000


def test_same_answer_in_one_scope_one_after_the_other_is_two_calls() -> None:
    again = CALL | {"gen_ai.response.id": "chatcmpl-1"}
    twice = request(
        {"attributes": again, "start": START, "end": START + 10},
        {"attributes": again, "start": START + 20, "end": START + 30},
    )
    assert [span.priced for span in normalise(twice, LANDING, PRICES).spans] == [True, True]


def test_wrapper_around_several_calls_is_not_a_call() -> None:
    outer = b"\7" * 8
    found = normalise(
        request(
            {"span_id": outer, "attributes": CALL},
            {"parent": outer, "attributes": CALL | {"gen_ai.response.id": "a"}},
            {"parent": outer, "attributes": CALL | {"gen_ai.response.id": "b"}},
        ),
        LANDING,
        PRICES,
    ).spans
    assert sum(span.priced for span in found) == 2
    assert not next(span for span in found if span.span_id == outer.hex()).priced


def test_call_inside_a_tool_of_a_call_is_a_call() -> None:
    outer, tool = b"\7" * 8, b"\6" * 8
    found = normalise(
        request(
            {"span_id": outer, "attributes": CALL},
            {"span_id": tool, "parent": outer, "attributes": {"gen_ai.operation.name": "execute_tool"}},
            {"parent": tool, "attributes": CALL},
        ),
        LANDING,
        PRICES,
    ).spans
    assert sum(span.priced for span in found) == 2


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.server.time_to_first_token": 0.25}, 250.0),
        ({"gen_ai.server.time_to_first_token": 250}, 250.0),
        ({"gen_ai.response.time_to_first_chunk": 0.25}, 250.0),
        ({"ai.response.msToFirstChunk": 250.0}, 250.0),
        ({"gen_ai.server.time_to_first_token": 0.25, "gen_ai.request.stream": False}, None),
        ({"gen_ai.response.time_to_first_chunk": float("nan")}, None),
    ],
)
def test_time_to_first_token(attributes: dict[str, Any], expected: float | None) -> None:
    assert one(CALL | attributes).ttft_ms == expected


def test_first_token_event_and_exception() -> None:
    span = one(
        CALL,
        events=[
            ("First Token Stream Event", START + 5_000_000, {}),
            ("exception", START, {"exception.type": "Boom", "exception.message": "it broke"}),
        ],
        status=2,
    )
    assert (span.ttft_ms, span.streaming) == (5.0, True)
    assert span.error is not None
    assert (span.error.type, span.error.message) == ("Boom", "it broke")
    assert [event.name for event in span.events] == ["exception"]


def test_content_in_span_events() -> None:
    span = one(
        CALL,
        events=[
            ("gen_ai.system.message", START, {"content": "Be brief."}),
            ("gen_ai.user.message", START, {"content": "Hello"}),
            (
                "gen_ai.choice",
                START,
                {"message": '{"role":"assistant","content":"Hi"}', "finish_reason": "stop"},
            ),
        ],
    )
    assert span.system == "Be brief."
    assert span.input_messages[0].parts[0].content == "Hello"
    assert span.output_messages[0].parts[0].content == "Hi"
    assert span.finish_reasons == ("stop",)
    assert span.events == ()


def test_attributes_of_other_spans_stay_attributes() -> None:
    span = one({"model": "Golf", "input.value": "x", "ratio": float("inf"), "raw": b"\0\1"}, name="GET")
    assert span.kind == "span"
    assert span.attributes == {"model": "Golf", "input.value": "x", "raw": "AAE="}


NAMES = sorted(
    {name for names in (fields.FIELDS | fields.COUNTS).values() for name in names}
    | {*content.INPUTS, *content.OUTPUTS, *usage.USAGE_OBJECTS, *fields.WORKFLOWS, *fields.ROUTES}
    | {content.SYSTEM, content.TOOL_CALLS, *fields.FIRST_TOKEN_S, *fields.FIRST_TOKEN_MIXED}
    | {*fields.FIRST_TOKEN_MS, *fields.FIRST_TOKEN_AT, *costs.COSTS}
    | {*retrieval.QUERIES, *retrieval.DOCUMENTS, *content.MODEL_IN}
    | {name for names in fields.SCOPED.values() for name in names}
    | {
        f"{prefix}{number}.{path}"
        for prefix, _ in content.INDEXED
        for number in (0, 1, 999_999, 10**30)
        for path in (
            "role",
            "message.content",
            "0",
            "tool_calls.0.name",
            "message.contents.0.message_content.text",
        )
    }
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "chat", "LLM", "embeddings", "invoke_agent", "1e999", "-5", "NaN", '"quoted"', "{", "[[[[[",
            '{"a":1}',
            '[{"role":"user","parts":[{"type":"text","content":"x"}]}]', '[{"role":1,"parts":7}]', "[null]",
            '[{"parts":[{"type":"tool_call","arguments":{"a":[1,{"b":2}]}}]}]',
            '{"messages":[[{"lc":1,"kwargs":{}}]]}',
            '[{"type":"tool_result","content":[{"type":"text"}]}]',
            '{"choices":[{"message":{"content":null}}]}', r"{'input_tokens': '\d'}",
            "{'input_tokens': 5, 'cache_read_input_tokens': 10}", '{"input_tokens": -1, "output": 1e300}',
            '{"id":"msg_1","model":"gpt-4o-mini","usage":{"input_tokens":7},"choices":[{"finish_reason":7}]}',
            '{"input_tokens": 1' + "0" * 400 + ', "score": 1e400}',
            '{"documents":[{"score":1' + "0" * 400 + "}]}",
            "2026-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
            "[" * 2000, '{"a":' * 2000, "gpt-4o-mini", "claude-sonnet-4-5", "openai", "\ud7ff\x00\x1f",
        ]
    ),
)  # fmt: skip
SCALARS = st.one_of(
    TEXTS, st.integers(-(2**63), 2**63 - 1), st.floats(), st.booleans(), st.binary(max_size=9)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "parts", "type", "text", "id", "message", "tool_calls", "function", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
TIMES = st.one_of(st.integers(0, 2**64 - 1), st.integers(START, START + 10**9))
SCOPES = sorted(
    {"", "ai", "pydantic-ai", "com.anthropic.claude_code", "logfire.openai", *fields.SCOPED}
    | {*usage.EXACT_USAGE_SCOPES, *kinds.ROLLUP_SCOPES, *(scope for scope, _ in kinds.SPAN_NAMES)}
    | {scope for scope, _ in usage.EXCLUSIVE_INPUT}
)
EVENT_NAMES = [
    "exception",
    "x",
    *content.MESSAGE_EVENTS,
    content.OPERATION_DETAILS,
    *fields.FIRST_TOKEN_EVENTS,
    *retrieval.RESULT_EVENTS,
]
EVENT_KEYS = [*content.INPUTS[:2], "content", "message", "id", "exception.type"]
EVENTS = st.tuples(
    st.sampled_from(EVENT_NAMES), TIMES, st.dictionaries(st.sampled_from(EVENT_KEYS), VALUES, max_size=3)
)
IDS = st.sampled_from([bytes([n]) * 8 for n in range(6)] + [b"", b"short"])
SPANS = st.fixed_dictionaries(
    {
        "attributes": st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), VALUES, max_size=10),
        "scope": st.sampled_from(SCOPES),
        "events": st.lists(EVENTS, max_size=2),
        "start": TIMES,
        "end": TIMES,
        "kind": st.integers(0, 5),
        "status": st.integers(0, 2),
        "span_id": IDS,
        "parent": IDS,
        "trace_id": st.sampled_from([b"t" * 16, b"u" * 16, bytes(16)]),
        "name": st.text(max_size=8)
        | st.sampled_from(
            [*(start for _, start in kinds.CONTINUATIONS), *(name for _, name in kinds.SPAN_NAMES)]
        ),
        "trace_state": st.sampled_from(["", "ot=th:8", "ot=th:ffffffffffffff"]) | st.text(max_size=8),
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    spans=st.lists(SPANS, max_size=5),
    resource=st.dictionaries(st.sampled_from(NAMES[:9]), VALUES, max_size=3),
)
def test_any_message_is_normalised(spans: list[dict[str, Any]], resource: dict[str, Any]) -> None:
    made = request(*spans, resource=resource)
    result = normalise(made, LANDING, PRICES)
    assert len(result.spans) + sum(rejected.spans for rejected in result.rejected) == len(spans)
    assert {rejected.reason for rejected in result.rejected} <= {INVALID_IDS}
    assert equal(result, normalise(made, LANDING, PRICES))
    calls = [span for span in result.spans if span.kind in kinds.LEAVES]
    priced = {span.span_id for span in result.spans if span.priced}
    assert bool(calls) == bool(priced), "of calls at least one is, of anything else none"
    assert sum(span.cost_usd or 0 for span in result.spans if span.priced) <= sum(
        span.cost_usd or 0 for span in calls
    )
    for span in calls:
        assert span.priced != bool(span.duplicate_of)
        assert not span.duplicate_of or span.duplicate_of in priced
    for span in result.spans:
        assert msgspec.json.decode(msgspec.json.encode(span), type=Span) is not None
        counts = (span.input_tokens, span.output_tokens, span.cache_read_tokens, span.cache_write_tokens)
        assert all(count is None or count >= 0 for count in counts)
        assert span.cost_usd is None or 0 <= span.cost_usd < float("inf")
        assert all(
            count is None or count >= 0 for count in (span.cache_write_1h_tokens, span.reasoning_tokens)
        )
        assert span.sample_rate is None or 0 < span.sample_rate < 1
        assert span.ttft_ms is None or 0 <= span.ttft_ms < float("inf")
        assert (span.cost_usd is None) == (span.cost_status in (None, "unknown"))
        assert span.duration_ms >= 0
        assert -(2**63) <= span.start_ns < 2**63
        assert span.cost_status != "exact" or not span.cost_reason
        assert not span.priced or span.kind in ("llm", "embedding", "rerank")
    places = {(span.trace_id, span.span_id) for span in result.spans}
    whole = settled(result.spans, PRICES)
    assert len(whole) == len(places)
    told = {
        (span.trace_id, span.span_id) for span in result.spans if span.kind in kinds.LEAVES or span.candidate
    }
    assert sum(span.priced for span in whole) <= len(told)
    assert [(span.span_id, span.priced) for span in settled(whole, PRICES)] == [
        (span.span_id, span.priced) for span in whole
    ]


def equal(left: Normalised, right: Normalised) -> bool:
    return (
        msgspec.json.encode(left.spans) == msgspec.json.encode(right.spans)
        and left.rejected == right.rejected
    )


def test_large_span_is_shortened_and_says_so() -> None:
    text = '[{"role":"user","parts":[{"type":"text","content":"' + "word " * 20_000 + '"}]}]'
    span = one(CALL | {"gen_ai.input.messages": text, "note": "short", "blob": "\x01" * 50_000})
    line = encode_line(span, 20_000)
    assert len(line) <= 20_000
    back = msgspec.json.decode(line, type=Span)
    assert back.truncated == ("attributes", "input_messages")
    said = back.input_messages[0].parts[0].content or ""
    kept = said.index("…[truncated ")
    assert said.endswith(f"…[truncated {100_000 - kept} chars]")
    assert back.attributes["note"] == "short"
    assert (back.cost_usd, back.series_id, back.src) == (span.cost_usd, span.series_id, span.src)
    assert fit(span, 10**6) is span


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    attributes=st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=3000),
        VALUES | st.text("\x01é漢", min_size=3000),
        max_size=12,
    ),
    name=st.text("\x01a", max_size=20_000),
)
def test_every_line_fits(attributes: dict[str, Any], name: str) -> None:
    assert len(encode_line(one(attributes, name=name), 10_000)) <= 10_000


def test_span_of_which_only_the_bones_fit() -> None:
    many = {f"attribute.{number}": "x" * 100 for number in range(500)}
    talk = [{"role": "user", "parts": [{"type": "text", "content": "word " * 40}]}] * 100
    asked = [
        {"role": "assistant", "parts": [{"type": "tool_call", "name": "f" * 90, "arguments": {"a": 1}}] * 200}
    ]
    names = {"session.id": "\x01" * 200, "user.id": "\x02" * 200, "gen_ai.response.id": "\x03" * 200}
    span = one(
        CALL
        | many
        | names
        | {"gen_ai.input.messages": msgspec.json.encode(talk).decode()}
        | {"gen_ai.output.messages": msgspec.json.encode(asked).decode()},
        resource={"service.name": "shop"} | many,
        events=[("e", START, many)],
        status=2,
    )
    back = msgspec.json.decode(encode_line(span, 10_000), type=Span)
    assert len(encode_line(span, 10_000)) <= 10_000
    assert (back.trace_id, back.span_id, back.src, back.cost_usd) == (
        span.trace_id,
        span.span_id,
        span.src,
        span.cost_usd,
    )
    assert {"attributes", "events", "input_messages", "output_messages", "resource"} <= set(back.truncated)


def test_content_line_fits() -> None:
    said = tuple(Message("user", (Part("text", "é" * 4_000),)) for _ in range(10))
    line = Content(
        v=1,
        src=Source("e", "otlp-logs", 0, 1, 0),
        series_id="s",
        trace_id="t",
        span_id="s",
        project="p",
        system="x" * 50_000,
        input_messages=said,
        output_messages=said[:1],
    )
    assert len(encode_line(line, 10_000)) <= 10_000
    back = msgspec.json.decode(encode_line(line, 120_000), type=Content)
    assert back.output_messages == said[:1]
    assert back.system.endswith("chars]")


def test_a_bug_in_one_span_spares_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(span: Any, context: Any, index: int) -> Any:
        if span.name == "bad":
            raise KeyError("a prompt that must not be quoted")
        return draft_of(span, context, index)

    monkeypatch.setattr("lumina_streams.core.span.normalise.draft_of", broken)
    result = normalise(request({"name": "bad"}, {"name": "good"}), LANDING, PRICES)
    assert [span.name for span in result.spans] == ["good"]
    assert [rejected.reason for rejected in result.rejected] == ["not understood: KeyError"]


def test_function_arguments_are_messages_on_calls_only() -> None:
    generic = {"input.value": "in", "output.value": "out"}
    tool = one(generic | {"openinference.span.kind": "TOOL"})
    assert (tool.kind, tool.attributes, tool.input_messages) == ("tool", generic, ())
    call = one(generic | {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini"})
    assert (call.attributes, text_of(call.input_messages), text_of(call.output_messages)) == ({}, "in", "out")


def test_vercel_answer_with_tool_calls() -> None:
    calls = '[{"toolCallId":"c1","toolName":"weather","input":{"city":"Paris"}}]'
    step = {"ai.operationId": "ai.streamText.doStream", "ai.response.toolCalls": calls}
    span = one(CALL | step | {"ai.response.text": "Let me look."})
    assert [part.type for part in span.output_messages[0].parts] == ["text", "tool_call"]
    assert [(call.name, call.id) for call in span.tool_calls] == [("weather", "c1")]
    assert span.streaming is True
    assert [call.name for call in one(CALL | step).tool_calls] == ["weather"]


@pytest.mark.parametrize(
    ("named", "host", "model", "expected"),
    [
        ("OpenAI", "", "gpt-4o", "openai"),
        ("openai", "shop.openai.azure.com", "gpt-4o", "azure.ai.openai"),
        ("openai", "https://openrouter.ai/api/v1", "x", "openrouter"),
        ("openai", "notopenrouter.ai", "x", "openai"),
        ("anthropic.messages", "", "claude", "anthropic"),
        ("anthropic", "", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "aws.bedrock"),
        ("Langchain", "", "claude-sonnet-4-5", "anthropic"),
        ("", "", "azure/gpt-4o", "azure.ai.openai"),
        ("Acme Cloud", "", "x", "acme cloud"),
        ("", "", "house-model", ""),
    ],
)
def test_provider(named: str, host: str, model: str, expected: str) -> None:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": model}
    sent = {"gen_ai.system": named, "server.address": host}
    assert one(attributes | {key: value for key, value in sent.items() if value}).provider == expected


def test_precedence_and_the_kind_that_a_framework_names() -> None:
    span = one(
        CALL | {"gen_ai.usage.prompt_tokens": 5, "gen_ai.system": "langchain", "llm.provider": "anthropic"}
    )
    assert (span.input_tokens, span.provider) == (1000, "openai")
    assert one(CALL | {"traceloop.span.kind": "workflow"}).kind == "chain"
    assert one(CALL | {"langsmith.span.kind": "prompt"}).kind == "prompt"
    assert (
        one({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1}, name="embed it").kind
        == "embedding"
    )
