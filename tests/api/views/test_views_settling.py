"""One call told by spans of several messages: the views come to the same, whatever came first."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from api.views.span_lines import EPOCHS, NOON_NS, SECOND_NS, Log, span
from corpus.record import record
from corpus.single import one_span_each
from corpus.truth import CORPUS, check, names
from lumina_api.rest.answer import span_item
from lumina_api.views import queries, sums
from lumina_api.views.batch import batch_of
from lumina_api.views.contents import whole
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page
from lumina_api.views.store import Store
from lumina_api.views.sums import Asked
from lumina_schemas.span import Content, Span
from lumina_streams.core.content.logs import normalise_logs
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise

PRICES = PriceBook()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(tmp_path_factory.mktemp("views") / "views.duckdb")
    yield opened
    opened.close()


def shown(store: Store, project: str) -> list[Span]:
    """The calls of a project as REST shows them, as records."""
    with store.cursor() as cursor:
        rows = whole(cursor, queries.calls(cursor, Filters(project=(project,)), Page(1000, "oldest")))
    return [record(msgspec.json.decode(msgspec.json.encode(span_item(row)))) for row in rows]


def lines_of(name: str) -> list[Span | Content]:
    """The lines of a capture, each span in a message of its own, its logs among them."""
    lines: list[Span | Content] = []
    path = CORPUS / f"{name}.otlp.pb"
    for offset, body in enumerate(one_span_each(path.read_bytes(), name) if path.exists() else []):
        request = ExportTraceServiceRequest.FromString(body)
        lines += normalise(request, Landing("0" * 32, "otlp", 0, offset), PRICES).spans
    logs = CORPUS / f"{name}.logs.pb"
    if logs.exists():
        landing = Landing("0" * 32, "otlp-logs", 0, 0, name)
        records = ExportLogsServiceRequest.FromString(logs.read_bytes())
        lines += [content.line("") for content in normalise_logs(records, landing)]
    return lines


@pytest.mark.parametrize("name", names())
def test_a_capture_in_any_order_equals_the_truth(store: Store, name: str) -> None:
    """One line a batch, shuffled: calls, duplicates and content come together in the end."""
    lines = lines_of(name)
    random.Random(name).shuffle(lines)
    log = Log()
    for line in lines:
        store.apply(batch_of([log.spans([line])]), EPOCHS)
    check(name, shown(store, name))


def agent(number: int, **changes: Any) -> Span:
    """A roll-up that tells of tokens."""
    return span(number, kind="agent", operation="invoke_agent", priced=False, candidate=True, **changes)


def test_a_roll_up_counts_where_no_call_is_below_it(store: Store) -> None:
    log = Log()
    alone = agent(1, project="alone", trace_id="a" * 32, span_id="1" * 16)
    store.apply(batch_of([log.spans([alone])]), EPOCHS)
    assert [call.span_id for call in shown(store, "alone")] == ["1" * 16]
    child = span(2, project="alone", trace_id="a" * 32, span_id="2" * 16, parent_span_id="1" * 16, kind="llm")
    store.apply(batch_of([log.spans([child])]), EPOCHS)
    assert [call.span_id for call in shown(store, "alone")] == ["2" * 16]


def test_one_response_id_is_one_call_of_two_scopes_and_two_calls_of_one(store: Store) -> None:
    log = Log()

    def told(number: int, scope: str, at_s: int) -> Span:
        return span(
            number,
            project="ids",
            trace_id=f"{number:032x}",
            span_id=f"{number:016x}",
            kind="llm",
            scope=scope,
            response_id="resp_1",
            start_ns=NOON_NS + at_s * SECOND_NS,
            duration_ms=500.0,
        )

    for line in (told(11, "a", 0), told(12, "b", 0), told(13, "a", 100)):
        store.apply(batch_of([log.spans([line])]), EPOCHS)
    calls = shown(store, "ids")
    assert len(calls) == 2
    assert calls[1].span_id == f"{13:016x}"


def test_sampled_calls_stand_for_more(store: Store) -> None:
    lines = [
        span(number, project="tenth", trace_id=f"{number:032x}", kind="llm", cost_usd=0.5, sample_rate=0.1)
        for number in range(20, 24)
    ]
    store.apply(batch_of([Log().spans(lines)]), EPOCHS)
    with store.cursor() as cursor:
        (found,) = sums.costs(cursor, Asked(Filters(project=("tenth",))))
    assert (found["calls"], found["seen_calls"]) == (40, 4)
    assert found["cost_usd"] == pytest.approx(20.0)
