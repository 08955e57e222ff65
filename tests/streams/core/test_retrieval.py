"""What retrievals and reranks asked for and found, in each convention, and out of hostile shapes."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.mapping.retrieval import DOCUMENT_LISTS, ID_KEYS, QUERY_KEYS, SCORE_KEYS, TEXT_KEYS
from lumina_schemas.span import Document, Span
from lumina_streams.core.content.retrieval import MAX_DOCUMENTS, MAX_EXCERPT_CHARS, MAX_QUERY_CHARS
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise

PRICES = PriceBook()
QUESTION = "What is the capital of France?"
PARIS = Document("d1", 0.9, "Paris is the capital of France.")
BERLIN = Document("d2", 0.5, "Berlin is the capital of Germany.")


def one(
    attributes: dict[str, Any], events: tuple[tuple[str, dict[str, Any]], ...] = (), scope: str = "test"
) -> Span:
    """The one span of a message; none of it is refused."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    group.scope.name = scope
    span = group.spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="look up")
    fill(span.attributes, attributes)
    for name, of in events:
        fill(span.events.add(name=name).attributes, of)
    (found,) = normalise(request, Landing("e", "otlp", 0, 0), PRICES).spans
    return found


def fill(attributes: Any, values: dict[str, Any]) -> None:
    for key, value in values.items():
        put(attributes.add(key=key).value, value)


def put(any_value: Any, value: Any) -> None:
    match value:
        case bool():
            any_value.bool_value = value
        case str():
            any_value.string_value = value
        case int():
            any_value.int_value = value
        case float():
            any_value.double_value = value
        case list():
            any_value.array_value.SetInParent()
            for item in value:
                put(any_value.array_value.values.add(), item)
        case dict():
            any_value.kvlist_value.SetInParent()
            fill(any_value.kvlist_value.values, value)


def spread(prefix: str, *documents: Document) -> dict[str, Any]:
    """Documents as OpenInference spreads them over attributes."""
    found: dict[str, Any] = {}
    for number, document in enumerate(documents):
        at = f"{prefix}.{number}.document"
        found |= {f"{at}.id": document.id, f"{at}.score": document.score, f"{at}.content": document.excerpt}
    return found


def test_openinference_retriever() -> None:
    span = one(
        {"openinference.span.kind": "RETRIEVER", "input.value": QUESTION}
        | spread("retrieval.documents", PARIS, BERLIN)
    )
    assert (span.kind, span.operation, span.priced) == ("retrieval", "retrieval", False)
    assert span.retrieval_query == QUESTION
    assert span.retrieval_documents == (PARIS, BERLIN)
    assert not any(key.startswith("retrieval.documents.") for key in span.attributes)


def test_openinference_documents_keep_their_order_beyond_nine() -> None:
    documents = [Document(f"d{number}", 1.0 - number / 100, "x") for number in range(12)]
    sent = spread("retrieval.documents", *documents)
    span = one({"openinference.span.kind": "RETRIEVER"} | dict(reversed(sent.items())))
    assert span.retrieval_documents == tuple(documents)


def test_openinference_reranker_shows_what_it_gave_back() -> None:
    span = one(
        {
            "openinference.span.kind": "RERANKER",
            "reranker.query": QUESTION,
            "reranker.model_name": "rerank-v3.5",
            "reranker.top_k": 1,
        }
        | spread("reranker.input_documents", BERLIN, PARIS)
        | spread("reranker.output_documents", PARIS)
    )
    assert (span.kind, span.request_model, span.priced) == ("rerank", "rerank-v3.5", True)
    assert (span.retrieval_query, span.retrieval_documents) == (QUESTION, (PARIS,))


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("query", ["gen_ai.retrieval.query.text", "gen_ai.retrieval.query"])
def test_otel_retrieval(query: str, structured: bool) -> None:
    documents = [{"id": "d1", "score": 0.9, "content": PARIS.excerpt}, {"id": "d2", "score": 0.5}]
    span = one(
        {
            "gen_ai.operation.name": "retrieval",
            query: QUESTION,
            "gen_ai.retrieval.documents": documents if structured else json.dumps(documents),
        }
    )
    assert span.kind == "retrieval"
    assert span.retrieval_query == QUESTION
    assert span.retrieval_documents == (PARIS, Document("d2", 0.5))


@pytest.mark.parametrize("name", ["db.query.result", "db.search.result"])
def test_traceloop_vector_databases_tell_documents_as_events(name: str) -> None:
    """The events alone make it a retrieval; each is one document."""
    text = "db.query.result.document" if name == "db.query.result" else "db.search.result.entity"
    span = one(
        {"db.system": "chroma"},
        (
            ("db.query.embeddings", {"db.query.embeddings.vector": "[0.1]"}),
            (name, {f"{name}.id": "d1", f"{name}.distance": 0.9, text: PARIS.excerpt}),
            (name, {f"{name}.id": 2, f"{name}.score": 0.5, text: BERLIN.excerpt}),
        ),
        "opentelemetry.instrumentation.chromadb",
    )
    assert (span.kind, span.priced) == ("retrieval", False)
    assert [document.id for document in span.retrieval_documents] == ["d1", "2"]
    assert [document.excerpt for document in span.retrieval_documents] == [PARIS.excerpt, BERLIN.excerpt]
    assert span.retrieval_documents[1].score == 0.5


LANGCHAIN = [
    {"id": "d1", "metadata": {"score": 0.9, "source": "a"}, "page_content": PARIS.excerpt},
    {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "document", "Document"],
        "kwargs": {"id": "d2", "metadata": {"relevance_score": 0.5}, "page_content": BERLIN.excerpt},
    },
]  # fmt: skip


@pytest.mark.parametrize("key", DOCUMENT_LISTS)
@pytest.mark.parametrize("asked", [QUESTION, *({key: QUESTION} for key in QUERY_KEYS)])
def test_langsmith_documents(asked: Any, key: str) -> None:
    """LangChain's own dumps of a document, plain and as a constructor, under any name of the list."""
    span = one(
        {
            "langsmith.span.kind": "retriever",
            "gen_ai.prompt": asked if isinstance(asked, str) else json.dumps(asked),
            "gen_ai.completion": json.dumps({key: LANGCHAIN}),
        }
    )
    assert span.kind == "retrieval"
    assert span.retrieval_query == QUESTION
    assert span.retrieval_documents == (PARIS, BERLIN)


def test_llama_index_nodes_in_a_bare_list() -> None:
    nodes = [{"node": {"node_id": "d1", "text": PARIS.excerpt}, "score": 0.9}]
    span = one({"openinference.span.kind": "RETRIEVER", "output.value": json.dumps(nodes)})
    assert span.retrieval_documents == (PARIS,)


def test_metadata_as_json_text_names_the_document() -> None:
    at = "retrieval.documents.0.document"
    span = one(
        {
            "openinference.span.kind": "RETRIEVER",
            f"{at}.content": "text",
            f"{at}.metadata": '{"doc_id": "d7", "similarity": 0.25}',
        }
    )
    assert span.retrieval_documents == (Document("d7", 0.25, "text"),)


def test_only_retrievals_and_reranks_have_documents() -> None:
    attributes = {"input.value": QUESTION, "output.value": json.dumps({"documents": LANGCHAIN})}
    for kind in ("CHAIN", "TOOL", "LLM", "EMBEDDING"):
        span = one(attributes | {"openinference.span.kind": kind})
        assert (span.retrieval_query, span.retrieval_documents) == ("", ())


def test_what_is_kept_is_bounded() -> None:
    many = [{"id": "i" * 5_000, "content": "é" * 5_000} for _ in range(MAX_DOCUMENTS + 7)]
    span = one(
        {
            "gen_ai.operation.name": "retrieval",
            "gen_ai.retrieval.query": "q" * 50_000,
            "gen_ai.retrieval.documents": json.dumps(many),
        }
    )
    assert len(span.retrieval_query) == MAX_QUERY_CHARS
    assert len(span.retrieval_documents) == MAX_DOCUMENTS
    assert {len(document.excerpt) for document in span.retrieval_documents} == {MAX_EXCERPT_CHARS}
    assert all(len(document.id) <= 200 for document in span.retrieval_documents)


HOSTILE = [
    "", "[", "{", "null", "7", '"text"', "[[[[", "[null, 1, [], \"x\"]", '{"documents": {"a": 1}}',
    '{"documents": null}', '[{"id": null, "score": "high", "content": 7}]', '[{"score": true}]',
    '[{"score": 1e999}]', f'[{{"score": {10**400}}}]', f'[{{"score": 1{"0" * 5_000}}}]',
    '[{"score": NaN}]', '[{"kwargs": {"kwargs": 1}}]',
    '[{"document": {"document": {"content": {"a": [1]}}}}]', '[{"metadata": "[1]", "node": []}]',
    '[{"metadata": "{\\"id\\": {}}", "id": [1], "text": ["a", 2]}]', "[" * 5_000, '{"query":' * 5_000,
    '{"query": {"query": 1}, "input": null}', '{"query": ["a"]}',
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["RETRIEVER", "RERANKER"])
def test_hostile_documents_refuse_no_span(kind: str, text: str) -> None:
    for name in ("input.value", "output.value", "gen_ai.retrieval.documents", "gen_ai.retrieval.query"):
        one({"openinference.span.kind": kind, name: text})
    one(
        {
            "openinference.span.kind": kind,
            "retrieval.documents.0.document.metadata": text,
            "retrieval.documents.0": text,
            "retrieval.documents.0.document": text,
            "retrieval.documents.0.document.content.0": text,
            "retrieval.documents.999999.document.id": text,
            "retrieval.documents.x.document.id": text,
        },
        (("db.query.result", {"db.query.result.document": text, "db.query.result.score": text}),),
    )


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(
    [
        *ID_KEYS,
        *SCORE_KEYS,
        *TEXT_KEYS,
        *DOCUMENT_LISTS,
        *QUERY_KEYS,
        "metadata",
        "kwargs",
        "document",
        "node",
    ]
)
SHAPES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    asked=SHAPES,
    found=SHAPES,
    kind=st.sampled_from(["RETRIEVER", "RERANKER"]),
    dumps=st.sampled_from([json.dumps, lambda value: msgspec.json.encode(value).decode("utf-8", "replace")]),
)
def test_any_shape_is_read(asked: Any, found: Any, kind: str, dumps: Any) -> None:
    try:
        texts = [dumps(asked).encode().decode(), dumps(found).encode().decode()]
    except (msgspec.MsgspecError, UnicodeError, OverflowError):
        return
    span = one({"openinference.span.kind": kind, "input.value": texts[0], "output.value": texts[1]})
    assert msgspec.json.decode(msgspec.json.encode(span), type=Span) == span
    assert len(span.retrieval_query) <= MAX_QUERY_CHARS
    assert len(span.retrieval_documents) <= MAX_DOCUMENTS
    assert all(len(document.excerpt) <= MAX_EXCERPT_CHARS for document in span.retrieval_documents)
