"""What really leaves: the SDK's OTLP requests, taken by a real HTTP server and read by Lumina's own core."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from api.demo.receiver import Receiver
from lumina_api.demo.endpoints import ENDPOINTS
from lumina_api.demo.scenario import INCIDENTS, PlannedCall, history, live
from lumina_api.demo.traffic import Applications


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with closing(Receiver()) as running:
        yield running


@pytest.fixture
def applications(receiver: Receiver) -> Iterator[Applications]:
    running = Applications(receiver.url)
    yield running
    running.shutdown()


def one_of_each() -> list[PlannedCall]:
    """A call of every endpoint that did not fail."""
    calls = {call.endpoint.name: call for call in history(7) if not call.error}
    return [calls[endpoint.name] for endpoint in ENDPOINTS]


def test_every_series_is_named_as_planned(receiver: Receiver, applications: Applications) -> None:
    end_ns = time.time_ns()
    calls = one_of_each()
    for call in calls:
        applications.emit(call, end_ns)
    applications.flush()
    spans = receiver.spans()
    assert {span.project for span in spans} == {"demo"}
    leaves = {(span.service, span.endpoint): span for span in spans if span.kind in ("llm", "embedding")}
    assert set(leaves) == {(endpoint.service, endpoint.name) for endpoint in ENDPOINTS}
    for call in calls:
        span = leaves[call.endpoint.service, call.endpoint.name]
        assert span.cost_status == "exact"
        assert span.cost_usd is not None
        assert span.cost_usd > 0
        assert span.request_model == call.model
        assert span.provider == call.endpoint.provider
        assert span.start_ns + span.duration_ms * 1e6 == pytest.approx(end_ns, abs=1e4)
        if call.endpoint.operation == "chat":
            assert span.input_messages[0].parts[0].content == call.question
            assert span.output_messages[0].parts[0].content == call.answer
            assert call.endpoint.system in span.system
            assert (span.input_tokens, span.output_tokens) == (call.input_tokens, call.output_tokens)


def test_traces_are_trees(receiver: Receiver, applications: Applications) -> None:
    for call in one_of_each():
        applications.emit(call, time.time_ns())
    applications.flush()
    spans = receiver.spans()
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span.parent_span_id:
            parent = by_id[span.parent_span_id]
            assert parent.trace_id == span.trace_id
            assert parent.start_ns <= span.start_ns
            assert parent.start_ns + parent.duration_ms * 1e6 >= span.start_ns + span.duration_ms * 1e6
    agent = next(span for span in spans if span.kind == "agent")
    children = {span.kind for span in spans if span.parent_span_id == agent.span_id}
    assert children == {"tool", "llm"}
    assert by_id[agent.parent_span_id].span_kind == "server"
    assert sum(not span.parent_span_id for span in spans) == len(ENDPOINTS)
    assert {"retrieval", "embedding", "span"} <= {span.kind for span in spans}


def test_a_failed_call_has_an_error_and_no_cost(receiver: Receiver, applications: Applications) -> None:
    failed = next(call for call in history(7) if call.error and call.endpoint.route)
    applications.emit(failed, time.time_ns())
    applications.flush()
    spans = receiver.spans()
    call = next(span for span in spans if span.kind == "llm")
    assert call.status == "error"
    assert call.error is not None
    assert call.error.type == failed.error
    assert call.cost_usd is None
    assert call.output_messages == ()
    assert next(span for span in spans if not span.parent_span_id).status == "error"


def test_a_bloated_prompt_is_longer_in_text_too(receiver: Receiver, applications: Applications) -> None:
    incident = next(incident for incident in INCIDENTS if incident.bloats)
    bloated = next(call for call in live(7, 4) if call.incident is incident)
    applications.emit(bloated, time.time_ns())
    applications.flush()
    call = next(span for span in receiver.spans() if span.kind == "llm")
    assert len(call.system) > 5 * len(bloated.endpoint.system)
    # The question stays the question: only what is dragged along grows.
    assert call.input_messages[0].parts[0].content == bloated.question


def test_nothing_is_dropped_and_no_trace_is_cut(receiver: Receiver, applications: Applications) -> None:
    calls = history(7)
    for call in calls:
        applications.emit(call, time.time_ns())
    applications.flush()
    traces: list[set[bytes]] = []
    count = 0
    for request in receiver.requests:
        spans = [span for group in request.resource_spans for s in group.scope_spans for span in s.spans]
        count += len(spans)
        traces.append({span.trace_id for span in spans})
    assert count == applications.tally.sent
    assert applications.tally.failed == 0
    assert len(set.union(*traces)) == len(calls) == sum(map(len, traces))


def test_what_cannot_be_sent_is_counted(receiver: Receiver, applications: Applications) -> None:
    call = one_of_each()[0]
    receiver.status = 400
    applications.emit(call, time.time_ns())
    applications.flush()
    assert (applications.tally.sent, applications.tally.failed) == (0, 2)
    receiver.status = 200
    applications.emit(call, time.time_ns())
    applications.flush()
    assert (applications.tally.sent, applications.tally.failed) == (2, 2)


def test_ids_differ_between_runs_of_one_seed(receiver: Receiver, applications: Applications) -> None:
    call = one_of_each()[0]
    again = Applications(receiver.url)
    for running in (applications, again):
        running.emit(call, time.time_ns())
        running.flush()
    again.shutdown()
    spans = receiver.spans()
    assert len({span.span_id for span in spans}) == len(spans)
    assert len({span.trace_id for span in spans}) == 2
