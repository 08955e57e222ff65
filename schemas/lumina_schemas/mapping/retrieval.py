"""How retrievals and reranks spell their query and their documents."""

QUERIES: tuple[str, ...] = (
    "gen_ai.retrieval.query.text",
    "gen_ai.retrieval.query",
    "reranker.query",
)
DOCUMENTS: tuple[str, ...] = ("gen_ai.retrieval.documents",)

QUERY_KEYS: tuple[str, ...] = ("query", "query_str", "question", "search_query", "input", "text")
"""Keys of the query in an object that a retriever was given."""

DOCUMENT_LISTS: tuple[str, ...] = ("documents", "docs", "nodes", "results", "matches", "context")
"""Keys of the list in an object that a retriever gave back."""

ID_KEYS: tuple[str, ...] = (
    "id", "doc_id", "document_id", "node_id", "db.query.result.id", "db.search.result.id", "source", "index",
)  # fmt: skip
SCORE_KEYS: tuple[str, ...] = (
    "score", "relevance_score", "similarity", "db.query.result.score", "db.query.result.distance",
    "db.search.result.score", "distance",
)  # fmt: skip
TEXT_KEYS: tuple[str, ...] = (
    "content", "page_content", "text", "db.query.result.document", "db.search.result.entity",
)  # fmt: skip

RESULT_EVENTS: frozenset[str] = frozenset({"db.query.result", "db.search.result"})
"""Span events that are one found document each (OpenLLMetry's vector databases)."""
