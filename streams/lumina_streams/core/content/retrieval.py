"""What a retrieval asked for and found: query and documents, wherever a sender put them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from lumina_schemas.mapping.retrieval import (
    DOCUMENT_LISTS,
    ID_KEYS,
    QUERY_KEYS,
    RESULT_EVENTS,
    SCORE_KEYS,
    TEXT_KEYS,
)
from lumina_schemas.span import Document, SpanEvent
from lumina_streams.core.content.messages import indexed_trees
from lumina_streams.core.content.parts import UNREADABLE, json_text
from lumina_streams.core.span.attributes import Reading, name_of

MAX_DOCUMENTS = 50
MAX_EXCERPT_CHARS = 500
MAX_QUERY_CHARS = 2_000
MAX_SCORE = 1e300
"""Beyond that it is no score, and may be an integer that no float can hold."""

Documents = tuple[Document, ...]


def retrieved(reading: Reading, events: Iterable[SpanEvent]) -> tuple[str, Documents]:
    """(query, documents) of a retrieval or a rerank."""
    found = reading.fields
    query = name_of(found.get("retrieval_query"), MAX_QUERY_CHARS) or _query(_first(reading, "input"))
    pieces = [(path, value) for side, _, path, value in reading.indexed if side == "documents"]
    documents = _documents(indexed_trees(pieces)) if pieces else ()
    documents = documents or _documents(_decoded(found.get("retrieval_documents")))
    documents = documents or _documents([event.attributes for event in events if event.name in RESULT_EVENTS])
    documents = documents or _documents(_listed(_decoded(_first(reading, "output"))))
    return query, documents


def _first(reading: Reading, side: str) -> Any:
    entries = [(rank, value) for of, rank, _, value in reading.content if of == side]
    return min(entries, key=lambda entry: entry[0])[1] if entries else None


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(value)
        except UNREADABLE:
            return None
    return value


def _query(value: Any) -> str:
    """The question out of whatever a retriever was given."""
    value = _decoded(value)
    if isinstance(value, dict):
        value = next((value[key] for key in QUERY_KEYS if isinstance(value.get(key), str)), None)
    return value[:MAX_QUERY_CHARS] if isinstance(value, str) else ""


def _listed(value: Any) -> Any:
    """The list of documents in an answer."""
    if isinstance(value, dict):
        return next((value[key] for key in DOCUMENT_LISTS if isinstance(value.get(key), list)), None)
    return value


def _documents(value: Any) -> Documents:
    if not isinstance(value, list):
        return ()
    made = (_document(item) for item in value[:MAX_DOCUMENTS] if isinstance(item, dict))
    return tuple(document for document in made if document != Document())


def _document(item: dict[str, Any]) -> Document:
    for wrapper in ("kwargs", "document", "node"):
        inner = item.get(wrapper)
        if isinstance(inner, dict):
            item = {**item, **inner}
    metadata = _decoded(item.get("metadata"))
    where = [item, metadata] if isinstance(metadata, dict) else [item]
    score = next(
        (
            float(source[key])
            for source in where
            for key in SCORE_KEYS
            if isinstance(source.get(key), int | float)
            and not isinstance(source[key], bool)
            and abs(source[key]) <= MAX_SCORE
        ),
        None,
    )
    text = next((item[key] for key in TEXT_KEYS if item.get(key)), "")
    if isinstance(text, dict | list):
        text = json_text(text)
    identity = next(
        (
            name
            for source in where
            for key in ID_KEYS
            if isinstance(source.get(key), str | int) and (name := name_of(source[key]))
        ),
        "",
    )
    return Document(identity, score, text[:MAX_EXCERPT_CHARS] if isinstance(text, str) else "")
