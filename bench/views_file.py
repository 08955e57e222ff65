"""A views file of many spans, made by DuckDB itself: for benches of what reads and writes it.

Five spans a trace: a request, an agent, two LLM calls, a retrieval. Texts are words drawn at random, so that
they compress as prose does and no better. The file is what the views would have built, but for its positions.
"""

import sys
import time
from pathlib import Path
from typing import Any

from lumina_api.views.file import open_file
from lumina_api.views.rollup import RollUp
from lumina_schemas.views import parts

PER_TRACE = 5
DAY_NS = 86_400 * 10**9
SLICE = 100_000
"""Spans made at once."""

SERVICES = (
    "shop-assistant",
    "support-bot",
    "search",
    "summariser",
    "extractor",
    "copilot",
    "translator",
    "tutor",
)
MODELS = (
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("mistral_ai", "mistral-large-2411"),
)
PROJECTS = ("shop", "office")

_WORDS = 4096

_MAKE = """
INSERT INTO spans BY NAME
WITH numbered AS (
    SELECT
        range AS n, range // {per} AS trace, range % {per} AS place,
        (hash(range // {per}) >> 1)::BIGINT AS h, (hash(range + 7919) >> 1)::BIGINT AS own,
        (hash((range // {per}) // 8 + 31) >> 1)::BIGINT AS sitting
    FROM range($first, $last)
), placed AS (
    SELECT
        *,
        ($start + (trace * {per} / $all::DOUBLE * $width))::BIGINT AS trace_ns,
        1 + h % {services} AS service_n, 1 + (h // 64) % 5 AS endpoint_n,
        1 + (h // 4096 + service_n) % {models} AS model_n,
        place IN (2, 3) AS is_call,
        200 + (own // 8192) % 4000 AS tokens_in, 20 + (own // 65536) % 800 AS tokens_out
    FROM numbered
)
SELECT
    $projects[1 + (h // 1024) % 2] AS project,
    format('{{:016x}}{{:016x}}', h, (hash(h) >> 1)::BIGINT) AS trace_id,
    format('{{:016x}}', own) AS span_id,
    CASE place WHEN 0 THEN ''
        ELSE format('{{:016x}}', (hash(trace * {per} + (place > 1)::INT + 7919) >> 1)::BIGINT) END
        AS parent_span_id,
    format('{{:016x}}', (hash(service_n * 100 + endpoint_n) >> 1)::BIGINT) AS series_id,
    $services[service_n] AS service,
    '/endpoint-' || endpoint_n AS endpoint,
    CASE WHEN h % 10 = 0 THEN 'staging' ELSE 'production' END AS environment,
    '1.' || (trace_ns // {day}) % 50 AS release,
    CASE place WHEN 0 THEN 'POST /endpoint-' || endpoint_n WHEN 1 THEN 'invoke_agent'
        WHEN 4 THEN 'retrieve' ELSE 'chat ' || $models[model_n] END AS name,
    CASE place WHEN 0 THEN 'server' WHEN 1 THEN 'internal' ELSE 'client' END AS span_kind,
    CASE place WHEN 0 THEN 'span' WHEN 1 THEN 'agent' WHEN 4 THEN 'retrieval' ELSE 'llm' END AS kind,
    CASE WHEN is_call THEN 'chat' ELSE '' END AS operation,
    trace_ns + place * 1000000 AS start_ns,
    CASE WHEN is_call THEN 200 + exp(5 + (own % 1000) / 400.0) ELSE 2000 + own % 3000 END AS duration_ms,
    CASE WHEN is_call THEN 80 + own % 400 END AS ttft_ms,
    CASE WHEN is_call AND own % 50 = 0 THEN 'error' WHEN is_call THEN 'ok' ELSE 'unset' END AS status,
    CASE WHEN is_call AND own % 50 = 0 THEN '{{"type":"RateLimitError","message":"429"}}' END AS error,
    CASE WHEN is_call THEN $providers[model_n] ELSE '' END AS provider,
    false AS provider_guessed,
    CASE WHEN is_call THEN $models[model_n] ELSE '' END AS request_model,
    CASE WHEN is_call THEN $models[model_n] ELSE '' END AS response_model,
    CASE WHEN is_call THEN format('chatcmpl-{{:016x}}', (hash(own) >> 1)::BIGINT) ELSE '' END AS response_id,
    '' AS system,
    CASE WHEN is_call
        THEN '[{{"role":"user","parts":[{{"type":"text","content":"' || {text_in} || '"}}]}}]' END
        AS input_messages,
    CASE WHEN is_call
        THEN '[{{"role":"assistant","parts":[{{"type":"text","content":"' || {text_out} || '"}}]}}]' END
        AS output_messages,
    CASE WHEN is_call THEN tokens_in END AS input_tokens,
    CASE WHEN is_call THEN tokens_in * (own % 4) // 5 END AS cache_read_tokens,
    CASE WHEN is_call THEN tokens_out END AS output_tokens,
    '' AS service_tier,
    'session-' || sitting % 1000000 AS session_id,
    'user-' || sitting % 20000 AS user_id,
    CASE WHEN is_call THEN 'prompt-' || endpoint_n ELSE '' END AS prompt_name,
    CASE WHEN is_call THEN 'v' || (1 + (trace_ns // {day}) % 3) ELSE '' END AS prompt_version,
    CASE WHEN h % 4 = 0 THEN '["beta"]' END AS tags,
    CASE WHEN place = 4 THEN 'delivery of an order' ELSE '' END AS retrieval_query,
    CASE WHEN is_call THEN (tokens_in + 4 * tokens_out) * 1.5e-7 * model_n END AS cost_usd,
    CASE WHEN is_call THEN 'exact' END AS cost_status,
    '' AS cost_reason,
    CASE WHEN is_call THEN 'genai-prices' ELSE '' END AS price_version,
    is_call AS priced,
    '' AS duplicate_of,
    false AS candidate,
    false AS clock_skew,
    '' AS endpoint_overflow,
    'opentelemetry.util.genai.handler' AS scope,
    '{{"server.address":"api.example","http.route":"/endpoint-' || endpoint_n || '"}}' AS attributes,
    '{{"service.name":"' || service || '","host.name":"node-' || h % 30 || '"}}' AS resource,
    'made' AS src_epoch,
    'otlp' AS src_origin,
    n % 8 AS src_partition,
    n // 8 AS src_offset,
    0 AS src_ordinal
FROM placed
"""


_SCORES = """
INSERT INTO scores BY NAME
SELECT project, trace_id, span_id, start_ns, 'signs' AS quality_tier,
    CASE WHEN span_id[1] = '0' THEN 0.1 ELSE 0.7 + (hash(span_id) % 30) / 100.0 END AS quality,
    CASE WHEN span_id[1] = '0' THEN 'refusal' ELSE '' END AS quality_reason
FROM spans WHERE priced AND status = 'ok'
"""

_ALERTS = """
INSERT INTO alerts BY NAME
SELECT
    format('{:08x}-0000-5000-8000-000000000000', range) AS id, 3 AS rev,
    ['shop', 'office'][1 + range % 2] AS project, 'service-' || range % 8 AS service,
    '/endpoint-' || range % 5 AS endpoint, format('{:016x}', range % 40) AS series_id,
    ['cost_spike', 'quality_drop', 'cost_and_quality', 'latency_spike'][1 + range % 4] AS kind,
    CASE WHEN range % 50 = 0 THEN 'open' ELSE 'resolved' END AS state,
    CASE WHEN range % 4 = 2 THEN 'critical' ELSE 'warning' END AS severity,
    $until - (range * ($width / 5000))::BIGINT AS opened_ns, opened_ns AS updated_ns,
    opened_ns AS resolved_ns, [format('{:032x}', range)] AS trace_ids,
    json_object('v', 1, 'id', id, 'kind', kind, 'state', state, 'summary', repeat('a line ', 120)) AS record
FROM range(5000)
"""


def _text(seed: str, words: int) -> str:
    picks = f"list_transform(range({words}), lambda i: $words[1 + (hash({seed} + i) % {_WORDS})::BIGINT])"
    return f"array_to_string({picks}, ' ')"


def make(path: Path, spans: int, days: float, until_ns: int, words: int) -> dict[str, Any]:
    """Make the file; `words` of text in each prompt and answer. Returns what it took."""
    started = time.monotonic()
    file = open_file(path)
    connection = file.connection
    sql = _MAKE.format(
        per=PER_TRACE,
        services=len(SERVICES),
        models=len(MODELS),
        day=DAY_NS,
        text_in=_text("own", words),
        text_out=_text("own + 1000003", words),
    )
    width = int(days * DAY_NS)
    for first in range(0, spans, SLICE):
        values: dict[str, Any] = {
            "first": first,
            "last": min(first + SLICE, spans),
            "all": spans,
            "start": until_ns - width,
            "width": width,
            "projects": list(PROJECTS),
            "services": list(SERVICES),
            "providers": [provider for provider, _ in MODELS],
            "models": [model for _, model in MODELS],
            "words": [_word(n) for n in range(_WORDS)],
        }
        connection.execute(sql, values)
        pieces = {name: parts()[f"traces.{name}"] for name in ("of_span", "of_score", "fold")}
        between = [values["start"] + round(n * width / spans) for n in (first, values["last"])]
        connection.execute(
            parts()["traces.all"].format(**pieces), {"first_ns": between[0], "last_ns": between[1] - 1}
        )
        print(f"{values['last']} spans, {time.monotonic() - started:.0f} s", file=sys.stderr)
    connection.execute(_SCORES)
    connection.execute(_ALERTS, {"until": until_ns, "width": width})
    rollup = RollUp()
    rollup.load(connection)
    while buckets := rollup.due():
        rollup.roll(connection, buckets)
    print(f"rolled up, {time.monotonic() - started:.0f} s", file=sys.stderr)
    connection.execute("CHECKPOINT")
    file.close()
    return {"spans": spans, "made_s": round(time.monotonic() - started, 1), "bytes": path.stat().st_size}


def _word(n: int) -> str:
    """A pronounceable word of three to nine letters."""
    parts_ = (
        "ka",
        "lo",
        "mi",
        "ren",
        "su",
        "ta",
        "vel",
        "no",
        "pi",
        "der",
        "sha",
        "om",
        "qui",
        "bra",
        "ent",
        "ly",
    )
    return "".join(parts_[(n >> shift) % 16] for shift in (0, 4, 8)[: 1 + n % 3 or 3])


def some_traces(path: Path, count: int) -> list[str]:
    """Ids of traces from all over the file."""
    file = open_file(path)
    try:
        rows = file.connection.execute(f"SELECT trace_id FROM traces USING SAMPLE {count} ROWS").fetchall()
    finally:
        file.close()
    return [trace_id for (trace_id,) in rows]
