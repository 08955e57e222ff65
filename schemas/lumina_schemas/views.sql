-- The views: every statement that Lumina sends to DuckDB, in one place.
--
-- Sections start with `-- part: <name>`; `lumina_schemas.views` loads them. Parts named `condition.*`,
-- `group.*`, `order.*`, `measures` and `told` are pieces that statements take in at {marks}; values always come
-- as $parameters. Column names are the field names of the records.

-- part: schema
-- One row a span, in the order of arrival. `src_*` is the span's source position: among duplicates the
-- smallest stays. No primary key: an index over every span ever seen costs memory that a join on
-- (start_ns, span_id), which reads only the row groups of the batch's own time, does not.
-- Columns under USING COMPRESSION hold JSON text (or long text): zstd halves what DuckDB's own choice takes.
CREATE TABLE spans (
    project VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    parent_span_id VARCHAR NOT NULL,
    series_id VARCHAR NOT NULL,
    service VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    release VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    span_kind VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    start_ns BIGINT NOT NULL,
    duration_ms DOUBLE NOT NULL,
    ttft_ms DOUBLE,
    status VARCHAR NOT NULL,
    error VARCHAR USING COMPRESSION zstd,
    provider VARCHAR NOT NULL,
    provider_guessed BOOLEAN NOT NULL,
    request_model VARCHAR NOT NULL,
    response_model VARCHAR NOT NULL,
    response_id VARCHAR NOT NULL,
    system VARCHAR NOT NULL USING COMPRESSION zstd,
    input_messages VARCHAR USING COMPRESSION zstd,
    output_messages VARCHAR USING COMPRESSION zstd,
    tool_calls VARCHAR USING COMPRESSION zstd,
    input_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    service_tier VARCHAR NOT NULL,
    finish_reasons VARCHAR,
    streaming BOOLEAN,
    session_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    prompt_name VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    tags VARCHAR,
    retrieval_query VARCHAR NOT NULL USING COMPRESSION zstd,
    retrieval_documents VARCHAR USING COMPRESSION zstd,
    cost_usd DOUBLE,
    cost_status VARCHAR,
    cost_reason VARCHAR NOT NULL,
    price_version VARCHAR NOT NULL,
    reported_cost_usd DOUBLE,
    priced BOOLEAN NOT NULL,
    duplicate_of VARCHAR NOT NULL,
    candidate BOOLEAN NOT NULL,
    sample_rate DOUBLE,
    clock_skew BOOLEAN NOT NULL,
    endpoint_overflow VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    attributes VARCHAR USING COMPRESSION zstd,
    resource VARCHAR USING COMPRESSION zstd,
    events VARCHAR USING COMPRESSION zstd,
    truncated VARCHAR,
    src_epoch VARCHAR NOT NULL,
    src_origin VARCHAR NOT NULL,
    src_partition BIGINT NOT NULL,
    src_offset BIGINT NOT NULL,
    src_ordinal BIGINT NOT NULL
);

-- Prompts and answers that came after their span, or before it: joined to the span when read, so that
-- the order of arrival cannot matter. `arrived_ns` is the broker's time.
CREATE TABLE contents (
    project VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    series_id VARCHAR NOT NULL,
    system VARCHAR NOT NULL,
    input_messages VARCHAR,
    output_messages VARCHAR,
    arrived_ns BIGINT NOT NULL,
    src_epoch VARCHAR NOT NULL,
    src_origin VARCHAR NOT NULL,
    src_partition BIGINT NOT NULL,
    src_offset BIGINT NOT NULL,
    src_ordinal BIGINT NOT NULL
);

-- The last correction of each call. It is put into the call's row when either of the two comes, so that
-- their order cannot matter; queries read the rows alone.
CREATE TABLE corrections (
    project VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    start_ns BIGINT NOT NULL,
    cost_usd DOUBLE,
    cost_status VARCHAR NOT NULL,
    cost_reason VARCHAR NOT NULL,
    price_version VARCHAR NOT NULL,
    at_ns BIGINT NOT NULL,
    "by" VARCHAR NOT NULL
);

-- What the answer of a call is worth, one row a judged call; the lowest where one was judged twice. Looked up
-- when a page is read and by filters, whichever of score and call came first: to put it into the call's row
-- would be an update of nearly every row.
CREATE TABLE scores (
    project VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    span_id VARCHAR NOT NULL,
    start_ns BIGINT NOT NULL,
    quality DOUBLE NOT NULL,
    quality_tier VARCHAR NOT NULL,
    quality_reason VARCHAR NOT NULL
);

-- One row an alert, its highest revision; `record` is the whole alert as it stands on its topic.
CREATE TABLE alerts (
    id VARCHAR PRIMARY KEY,
    rev BIGINT NOT NULL,
    project VARCHAR NOT NULL,
    service VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    series_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    opened_ns BIGINT NOT NULL,
    updated_ns BIGINT NOT NULL,
    resolved_ns BIGINT,
    trace_ids VARCHAR[] NOT NULL,
    record VARCHAR NOT NULL
);

-- Spans of `project` that started before `before_ns`, and alerts opened before it, are not to be seen.
CREATE TABLE erasures (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    before_ns BIGINT NOT NULL
);

-- How far each partition of the log has been applied; written in the same transaction as its rows.
CREATE TABLE positions (
    topic VARCHAR,
    partition INTEGER,
    epoch VARCHAR NOT NULL,
    next_offset BIGINT NOT NULL,
    PRIMARY KEY (topic, partition)
);

CREATE TABLE meta (version VARCHAR NOT NULL);

-- The model that answered, else the one that was asked.
CREATE MACRO model_of(response_model, request_model) AS coalesce(nullif(response_model, ''), request_model);

-- How many calls a row stands for, and sums of such as whole numbers.
CREATE MACRO weight(sample_rate) AS 1 / coalesce(sample_rate, 1.0);
CREATE MACRO scaled(amount) AS coalesce(TRY_CAST(round(amount) AS BIGINT), 0);

-- `priced` marks the calls: spans that count in sums, be their cost known or not. Roll-ups and further
-- spans of the same call do not; `settle` corrects what one message alone could not tell.
CREATE VIEW calls AS
SELECT *, model_of(response_model, request_model) AS model
FROM spans
WHERE priced;


-- part: meta
SELECT version FROM meta

-- part: set_meta
INSERT INTO meta VALUES ($version)

-- part: positions
SELECT topic, partition, epoch, next_offset FROM positions

-- part: set_positions
INSERT OR REPLACE INTO positions
SELECT unnest($topics), unnest($partitions), unnest($epochs), unnest($next_offsets)

-- part: erasures
SELECT id, project, before_ns FROM erasures

-- part: set_erasure
INSERT OR REPLACE INTO erasures VALUES ($id, $project, $before_ns)

-- part: remove_erasure
DELETE FROM erasures WHERE id = $id

-- part: erase_contents
DELETE FROM contents
WHERE project = $project AND (
    arrived_ns < $before_ns
    OR (trace_id, span_id) IN (
        SELECT (trace_id, span_id) FROM spans WHERE project = $project AND start_ns < $before_ns
    )
)

-- part: erase_spans
DELETE FROM spans WHERE project = $project AND start_ns < $before_ns

-- part: erase_corrections
DELETE FROM corrections WHERE project = $project AND start_ns < $before_ns

-- part: erase_scores
DELETE FROM scores WHERE project = $project AND start_ns < $before_ns

-- part: erase_alerts
DELETE FROM alerts WHERE project = $project AND opened_ns < $before_ns

-- part: duplicates
-- Rows of the table that the batch brings again: duplicates share start_ns, and the join's range keeps
-- the scan to the row groups of the batch's own time.
SELECT
    incoming.row AS incoming_row, spans.rowid AS stored_row,
    spans.src_epoch, spans.src_origin, spans.src_partition, spans.src_offset, spans.src_ordinal
FROM spans JOIN incoming USING (start_ns, span_id, trace_id, project)
WHERE spans.start_ns BETWEEN $first_ns AND $last_ns

-- part: related
-- Rows that may tell of a call that the batch's rows tell of, or settle one of its candidates: those of the
-- same traces, with the same response ids, begun streams of the same prompt, and failed calls of the same
-- model, all around the batch's own time.
SELECT
    rowid, {facts}
FROM spans
WHERE start_ns BETWEEN $first_ns AND $last_ns AND (
    (project, trace_id) IN (SELECT (unnest($projects), unnest($traces)))
    OR (response_id <> '' AND (project, response_id) IN (SELECT (unnest($id_projects), unnest($response_ids))))
    OR (
        response_id = '' AND kind = 'llm' AND (status = 'error' OR regexp_matches(scope, $parted))
        AND (project, service, request_model)
            IN (SELECT (unnest($lone_projects), unnest($lone_services), unnest($lone_models)))
    )
    OR (
        start_ns BETWEEN $near_first_ns AND $near_last_ns AND ($transported OR scope IN $transports)
        AND kind IN ('llm', 'embedding')
        AND (project, service, request_model)
            IN (SELECT (unnest($call_projects), unnest($call_services), unnest($call_models)))
    )
)
LIMIT $limit

-- part: related.facts
project, service, scope, kind, name, trace_id, span_id, parent_span_id, start_ns, duration_ms, request_model,
response_id, status, candidate, priced, duplicate_of,
(input_tokens IS NOT NULL)::INT + (output_tokens IS NOT NULL)::INT + (cache_read_tokens IS NOT NULL)::INT
    + (cache_write_tokens IS NOT NULL)::INT + (cache_write_1h_tokens IS NOT NULL)::INT
    + (reasoning_tokens IS NOT NULL)::INT AS counts,
coalesce(json_array_length(input_messages), 0) + coalesce(json_array_length(output_messages), 0) AS messages,
CASE WHEN regexp_matches(scope, $parted) THEN md5(concat(system, '|', input_messages)) ELSE '' END AS asked

-- part: recent
SELECT project, service, scope, kind, trace_id, request_model, response_id FROM spans
WHERE start_ns >= (SELECT max(start_ns) FROM spans) - $around_ns
LIMIT $limit

-- part: settle
UPDATE spans SET priced = corrected.priced, duplicate_of = corrected.duplicate_of
FROM (
    SELECT unnest($rows) AS row, unnest($priced) AS priced, unnest($duplicate_of) AS duplicate_of
) AS corrected
WHERE spans.rowid = corrected.row

-- part: others
-- Further spans of the same calls: they know what the call's own span may lack.
SELECT *, model_of(response_model, request_model) AS model FROM spans
WHERE duplicate_of <> '' AND duplicate_of IN $span_ids AND start_ns BETWEEN $first_ns AND $last_ns
ORDER BY start_ns, span_id

-- part: delete_rows
DELETE FROM spans WHERE rowid IN $rows

-- part: insert_spans
INSERT INTO spans BY NAME SELECT * FROM incoming

-- part: correct_spans
-- `incoming`: spans or corrections of a batch, all between $first_ns and $last_ns.
UPDATE spans SET
    cost_usd = corrections.cost_usd, cost_status = corrections.cost_status,
    cost_reason = corrections.cost_reason, price_version = corrections.price_version
FROM corrections
WHERE spans.start_ns BETWEEN $first_ns AND $last_ns
  AND corrections.start_ns BETWEEN $first_ns AND $last_ns
  AND spans.start_ns = corrections.start_ns AND spans.span_id = corrections.span_id
  AND spans.trace_id = corrections.trace_id AND spans.project = corrections.project
  AND spans.cost_status IS NOT NULL
  AND corrections.span_id IN (SELECT span_id FROM incoming)

-- part: corrected_between
SELECT EXISTS (FROM corrections WHERE start_ns BETWEEN $first_ns AND $last_ns)

-- part: replace_corrections
DELETE FROM corrections USING incoming
WHERE corrections.span_id = incoming.span_id AND corrections.trace_id = incoming.trace_id
  AND corrections.project = incoming.project

-- part: insert_corrections
INSERT INTO corrections BY NAME SELECT * FROM incoming

-- part: scored
-- Scores of the table that the batch brings again.
SELECT
    incoming.row AS incoming_row, scores.rowid AS stored_row,
    scores.quality, scores.quality_tier, scores.quality_reason
FROM scores JOIN incoming USING (start_ns, span_id, trace_id, project)
WHERE scores.start_ns BETWEEN $first_ns AND $last_ns

-- part: delete_scores
DELETE FROM scores WHERE rowid IN $rows

-- part: insert_scores
INSERT INTO scores BY NAME SELECT * EXCLUDE (row) FROM incoming WHERE row NOT IN $lost

-- part: insert_contents
INSERT INTO contents BY NAME
SELECT incoming.* FROM incoming
WHERE NOT EXISTS (
    SELECT 1 FROM contents
    WHERE contents.span_id = incoming.span_id AND contents.trace_id = incoming.trace_id
      AND contents.project = incoming.project
      AND contents.src_epoch = incoming.src_epoch AND contents.src_origin = incoming.src_origin
      AND contents.src_partition = incoming.src_partition AND contents.src_offset = incoming.src_offset
      AND contents.src_ordinal = incoming.src_ordinal
)

-- part: remove_alert
DELETE FROM alerts WHERE id = $id

-- part: upsert_alert
INSERT INTO alerts VALUES (
    $id, $rev, $project, $service, $endpoint, $series_id, $kind, $state, $severity,
    $opened_ns, $updated_ns, $resolved_ns, $trace_ids, $record
)
ON CONFLICT (id) DO UPDATE SET
    rev = excluded.rev, project = excluded.project, service = excluded.service,
    endpoint = excluded.endpoint, series_id = excluded.series_id, kind = excluded.kind,
    state = excluded.state, severity = excluded.severity, opened_ns = excluded.opened_ns,
    updated_ns = excluded.updated_ns, resolved_ns = excluded.resolved_ns,
    trace_ids = excluded.trace_ids, record = excluded.record
WHERE excluded.rev > alerts.rev


-- part: order.calls.newest
start_ns DESC
-- part: order.calls.oldest
start_ns ASC
-- part: order.calls.costliest
coalesce(cost_usd, -1) DESC
-- part: order.calls.slowest
duration_ms DESC
-- part: order.traces.newest
start_ns DESC
-- part: order.traces.oldest
start_ns ASC
-- part: order.traces.costliest
coalesce(cost_usd, -1) DESC
-- part: order.traces.slowest
duration_ms DESC
-- part: order.alerts.newest
opened_ns DESC
-- part: order.alerts.oldest
opened_ns ASC

-- part: condition.project
project IN $project
-- part: condition.service
service IN $service
-- part: condition.endpoint
endpoint IN $endpoint
-- part: condition.provider
provider IN $provider
-- part: condition.model
(request_model IN $model OR response_model IN $model)
-- part: condition.trace_id
trace_id = $trace_id
-- part: condition.status
status IN $status
-- part: condition.since
start_ns >= $since
-- part: condition.until
start_ns < $until
-- part: condition.min_cost
cost_usd >= $min_cost
-- part: condition.min_duration_ms
duration_ms >= $min_duration_ms
-- part: condition.scored
(start_ns, span_id, trace_id, project) IN (SELECT (start_ns, span_id, trace_id, project) FROM scores WHERE {where})
-- part: condition.max_quality
quality <= $max_quality
-- part: condition.quality_reason
quality_reason IN $quality_reason
-- part: condition.state
state IN $state
-- part: condition.kind
kind IN $kind
-- part: condition.severity
severity IN $severity
-- part: condition.opened_since
opened_ns >= $since
-- part: condition.opened_until
opened_ns < $until

-- part: group.project
project
-- part: group.service
service
-- part: group.endpoint
endpoint
-- part: group.provider
provider
-- part: group.model
model


-- part: calls
SELECT * FROM calls
WHERE {where}
ORDER BY {order}
LIMIT $limit

-- part: calls_judged
-- The same where scores decide: the page's rows first, for behind a join DuckDB reads all columns of all that
-- matches.
SELECT *, model_of(response_model, request_model) AS model FROM spans
WHERE rowid IN (SELECT rowid FROM spans WHERE priced AND {where} ORDER BY {order} LIMIT $limit)
ORDER BY {order}

-- part: contents
SELECT project, trace_id, span_id, system, input_messages, output_messages
FROM contents
WHERE span_id IN $span_ids
ORDER BY src_epoch, src_origin, src_partition, src_offset, src_ordinal

-- part: scores
SELECT project, trace_id, span_id, start_ns, quality, quality_tier, quality_reason
FROM scores
WHERE span_id IN $span_ids AND start_ns BETWEEN $first_ns AND $last_ns

-- part: traces
-- First the page: each trace's start, end and sums, over the spans around the asked time; then, for the
-- traces of the page alone, what the list shows of them. {spans}: time and project; {match}: what one
-- span of the trace must fulfil; {where}: what the trace must.
WITH around AS (
    SELECT * FROM spans WHERE {spans}
),
page AS (
    SELECT * FROM (
        SELECT
            project, trace_id, min(start_ns) AS start_ns,
            round(max(start_ns::DOUBLE / 1e6 + duration_ms) - min(start_ns)::DOUBLE / 1e6, 3) AS duration_ms,
            round(sum(cost_usd) FILTER (priced), 9) AS cost_usd,
            CASE WHEN bool_or(status = 'error') THEN 'error'
                 WHEN bool_or(status = 'ok') THEN 'ok' ELSE 'unset' END AS status,
            bool_or(matches) AS matched
        FROM (SELECT *, {match} AS matches FROM around) AS spans
        GROUP BY project, trace_id
    )
    WHERE matched AND {where}
    ORDER BY {order}
    LIMIT $limit
)
SELECT * FROM (
    SELECT
        page.trace_id,
        page.project,
        arg_min(around.name, (parent_span_id <> '', around.start_ns, span_id)) AS name,
        arg_min(service, (parent_span_id <> '', around.start_ns, span_id)) AS service,
        any_value(page.start_ns) AS start_ns,
        any_value(page.duration_ms) AS duration_ms,
        any_value(page.status) AS status,
        count(*) AS span_count,
        count(*) FILTER (priced) AS call_count,
        any_value(page.cost_usd) AS cost_usd,
        count(*) FILTER (priced AND around.cost_usd IS NOT NULL) AS priced_calls,
        coalesce(
            list_sort(
                list(DISTINCT model_of(response_model, request_model))
                FILTER (priced AND (response_model <> '' OR request_model <> ''))
            ),
            []
        ) AS models
    FROM page JOIN around USING (project, trace_id)
    GROUP BY page.project, page.trace_id
)
ORDER BY {order}

-- part: trace_projects
SELECT DISTINCT project FROM spans WHERE trace_id = $trace_id ORDER BY project

-- part: trace
SELECT
    *, model_of(response_model, request_model) AS model
FROM spans
WHERE trace_id = $trace_id AND project = $project
ORDER BY start_ns, span_id
LIMIT $limit

-- part: trace_alerts
SELECT record FROM alerts
WHERE project = $project AND list_contains(trace_ids, $trace_id)
ORDER BY opened_ns, id

-- part: measures
-- A sampled call stands for 1 / sample_rate calls.
scaled(sum(weight(sample_rate))) AS calls,
sum(cost_usd * weight(sample_rate)) AS cost_usd,
scaled(sum(weight(sample_rate)) FILTER (cost_usd IS NOT NULL)) AS priced_calls,
scaled(sum(weight(sample_rate)) FILTER (cost_usd IS NULL)) AS unknown_calls,
scaled(sum(weight(sample_rate)) FILTER (cost_usd IS NOT NULL AND cost_status = 'estimated')) AS estimated_calls,
scaled(sum(weight(sample_rate)) FILTER (status = 'error')) AS errors,
scaled(sum(input_tokens * weight(sample_rate))) AS input_tokens,
scaled(sum(cache_read_tokens * weight(sample_rate))) AS cache_read_tokens,
scaled(sum(cache_write_tokens * weight(sample_rate))) AS cache_write_tokens,
scaled(sum(output_tokens * weight(sample_rate))) AS output_tokens,
scaled(sum(reasoning_tokens * weight(sample_rate))) AS reasoning_tokens,
count(*) AS seen_calls,
count(sample_rate) > 0 AS sampled

-- part: costs
SELECT {groups} {measures} FROM calls
WHERE {where}
GROUP BY ALL
ORDER BY cost_usd DESC NULLS LAST{ties}
LIMIT $limit

-- part: costs_timeline
SELECT {groups} (start_ns // $step_ns) * $step_ns AS start_ns, {measures} FROM calls
WHERE {where} AND {top}
GROUP BY ALL
ORDER BY start_ns

-- part: told
(coalesce(input_messages, '[]') <> '[]' OR coalesce(output_messages, '[]') <> '[]')

-- part: series
-- Series with calls, the lately used first. Whether prompts and answers come is told by the latest calls
-- alone: by their own span, by a further span of the call, or by log records of either. Texts are read for
-- these few rows, never for all.
WITH page AS (
    SELECT
        project, service, endpoint, series_id,
        scaled(sum(weight(sample_rate))) AS calls,
        scaled(sum(weight(sample_rate)) FILTER (cost_usd IS NOT NULL)) AS priced_calls,
        max(start_ns) AS last_call_ns,
        arg_max(scope, (start_ns, span_id)) AS scope,
        arg_max(rowid, (start_ns, span_id), $latest) AS latest
    FROM spans
    WHERE priced AND {where}
    GROUP BY project, service, endpoint, series_id
    ORDER BY last_call_ns DESC, project, service, endpoint
    LIMIT $limit
),
latest AS (
    SELECT series_id, spans.project, spans.trace_id, spans.span_id, {told} AS told
    FROM (SELECT unnest(latest) AS row FROM page) AS chosen JOIN spans ON spans.rowid = chosen.row
),
others AS (
    SELECT latest.series_id, spans.project, spans.trace_id, spans.span_id, {told} AS told
    FROM latest JOIN spans ON spans.duplicate_of = latest.span_id AND spans.project = latest.project
    WHERE spans.duplicate_of <> ''
),
telling AS (
    SELECT DISTINCT series_id FROM (FROM latest UNION ALL FROM others) AS seen
    WHERE told OR (project, trace_id, span_id) IN (
        SELECT (project, trace_id, span_id) FROM contents
        WHERE span_id IN (SELECT span_id FROM latest UNION ALL SELECT span_id FROM others) AND {told}
    )
)
SELECT
    project, service, endpoint, series_id, calls, priced_calls, last_call_ns, scope,
    series_id IN (SELECT series_id FROM telling) AS captured
FROM page
ORDER BY last_call_ns DESC, project, service, endpoint

-- part: alerts
SELECT id, opened_ns, record FROM alerts
WHERE {where}
ORDER BY {order}
LIMIT $limit

-- part: alert
SELECT record FROM alerts WHERE id = $id

-- part: counts
SELECT
    (SELECT count(*) FROM spans) AS spans,
    (SELECT count(*) FROM contents) AS contents,
    (SELECT count(*) FROM scores) AS scores,
    (SELECT count(*) FROM alerts) AS alerts
