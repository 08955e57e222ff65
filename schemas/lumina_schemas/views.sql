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

-- One row a trace, folded from its spans and scores in the batches that bring them. `trace_key` is the end of the
-- id as a number: to look through two million of those takes 4 ms, through the ids 40. A trace whose spans lie
-- further apart than a day has a row for each part.
CREATE TABLE traces (
    project VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    trace_key UINTEGER NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns BIGINT NOT NULL,
    root_child BOOLEAN NOT NULL,
    root_ns BIGINT NOT NULL,
    root_span_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    service VARCHAR NOT NULL,
    failed BOOLEAN NOT NULL,
    succeeded BOOLEAN NOT NULL,
    span_count BIGINT NOT NULL,
    call_count BIGINT NOT NULL,
    priced_calls BIGINT NOT NULL,
    error_count BIGINT NOT NULL,
    cost_usd DOUBLE,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    models VARCHAR[] NOT NULL,
    session_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    worst_quality DOUBLE
);

-- Sums of calls over five minutes, for questions that reach over days. A bucket holds while it is in `rolled`; what
-- else begins in its time takes it out, until it is rolled anew. Columns are those of `facts.of_call`. Calls of one
-- row stand for equally many others, so that its bins can be weighed, and all or none of them have a known cost.
CREATE TABLE calls_5m (
    start_ns BIGINT NOT NULL,
    project VARCHAR NOT NULL,
    service VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    environment VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    request_model VARCHAR NOT NULL,
    response_model VARCHAR NOT NULL,
    prompt_name VARCHAR NOT NULL,
    prompt_version VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    sample_rate DOUBLE,
    cost_known BOOLEAN NOT NULL,
    calls DOUBLE NOT NULL,
    cost_usd DOUBLE,
    priced_calls DOUBLE NOT NULL,
    estimated_calls DOUBLE NOT NULL,
    input_tokens DOUBLE,
    cache_read_tokens DOUBLE,
    cache_write_tokens DOUBLE,
    output_tokens DOUBLE,
    reasoning_tokens DOUBLE,
    seen_calls BIGINT NOT NULL,
    sampled_calls BIGINT NOT NULL,
    judged_calls DOUBLE NOT NULL,
    quality DOUBLE,
    duration_bins MAP(SMALLINT, UBIGINT),
    ttft_bins MAP(SMALLINT, UBIGINT),
    quality_bins MAP(SMALLINT, UBIGINT)
);

CREATE TABLE rolled (start_ns BIGINT PRIMARY KEY);

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

-- Spans of `project` that started before `before_ns`, and alerts opened before it, are not to be seen. With a user
-- or session: the whole traces of which such a span carries it, and nothing else.
CREATE TABLE erasures (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    before_ns BIGINT NOT NULL,
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL
);

-- Traces that erasures of a user or session have met, one row for each series of a trace: what else comes of them
-- is not to be seen either.
CREATE TABLE erased_traces (
    erasure VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    trace_id VARCHAR NOT NULL,
    series_id VARCHAR NOT NULL
);

-- The last run of retention, as JSON: one row, or none.
CREATE TABLE retention_run (record VARCHAR NOT NULL);

-- What users have set: one row a key `kind/id` of the settings topic, of any kind, as it lies there. `project` is
-- the one that the value names ('' = all, or none); partition and offset say where it lies.
CREATE TABLE settings (
    kind VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    written_ns BIGINT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- What people said they did. A mark lies in every partition of the spans; partition and offset are those where
-- it was met first here, `src_*` its position in the commands topic.
CREATE TABLE marks (
    id VARCHAR PRIMARY KEY,
    project VARCHAR NOT NULL,
    at_ns BIGINT NOT NULL,
    src_partition BIGINT NOT NULL,
    src_offset BIGINT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    record VARCHAR NOT NULL
);

-- Who changed what.
CREATE TABLE audit (
    id VARCHAR PRIMARY KEY,
    at_ns BIGINT NOT NULL,
    "by" VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    project VARCHAR NOT NULL,
    record VARCHAR NOT NULL
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

-- The last eight digits of a trace's id: some senders begin their ids with the time.
CREATE MACRO trace_key_of(trace_id) AS coalesce(TRY_CAST('0x' || right(trace_id, 8) AS UINTEGER), 0::UINTEGER);

-- When a span ended; whatever its sender says, it is a time that a BIGINT holds.
CREATE MACRO ended_ns(start_ns, duration_ms) AS
    least(start_ns::HUGEINT + coalesce(TRY_CAST(duration_ms * 1e6 AS BIGINT), 0), 9223372036854775807)::BIGINT;

-- How many calls a row stands for, and sums of such as whole numbers.
CREATE MACRO weight(sample_rate) AS 1 / coalesce(sample_rate, 1.0);
CREATE MACRO scaled(amount) AS coalesce(TRY_CAST(round(amount) AS BIGINT), 0);

-- The bin of a duration or time: each is 2 % wider than the one before, so that its middle is off by 1 % at most.
-- The lowest one is nothing: below ten nanoseconds.
CREATE MACRO bin_of(ms) AS CASE WHEN ms IS NOT NULL
    THEN greatest(-600, least(3000, floor(ln(greatest(ms, 0.00001)) / ln(1.02))))::SMALLINT END;
CREATE MACRO ms_of(bin) AS CASE WHEN bin <= floor(ln(0.00001) / ln(1.02)) THEN 0.0 ELSE pow(1.02, bin + 0.5) END;

-- A share of a sum, less what adding it up may be off by.
CREATE MACRO share_of(total, share) AS total * share * (1 - 1e-12);

-- Hundredths of quality; a score of 0.57 is in the 57th although 0.57 * 100 is a little less.
CREATE MACRO quality_bin_of(quality) AS floor(quality * 100 + 1e-6)::SMALLINT;

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

-- part: former.columns
-- The shape of a file of another release, and of the present one.
SELECT columns.table_name, column_name, data_type, is_nullable
FROM duckdb_columns() AS columns JOIN duckdb_tables() AS tables USING (database_name, schema_name, table_name)
WHERE database_name = $database AND schema_name = $schema
ORDER BY columns.table_name, column_index

-- part: former.tables
SELECT table_name, sql FROM duckdb_tables() WHERE database_name = $database

-- part: former.hide
CREATE SCHEMA IF NOT EXISTS {schema}

-- part: former.search
SET search_path = 'views.main,views.{schema}'

-- part: former.add
ALTER TABLE {table} ADD COLUMN "{column}" {type} DEFAULT {default}

-- part: former.retype
ALTER TABLE {table} ALTER "{column}" TYPE {type}

-- part: former.free
ALTER TABLE {table} ALTER "{column}" DROP NOT NULL

-- part: former.copy
CREATE TEMP TABLE copied AS FROM {table};
DROP TABLE {table}

-- part: former.fill
INSERT INTO {table} BY NAME SELECT {columns} FROM copied;
DROP TABLE copied

-- part: positions
SELECT topic, partition, epoch, next_offset FROM positions

-- part: set_positions
INSERT OR REPLACE INTO positions
SELECT unnest($topics), unnest($partitions), unnest($epochs), unnest($next_offsets)

-- part: erasures
SELECT id, project, before_ns, user_id, session_id FROM erasures

-- part: set_erasure
INSERT OR REPLACE INTO erasures VALUES ($id, $project, $before_ns, $user_id, $session_id)

-- part: remove_erasure
DELETE FROM erasures WHERE id = $id

-- part: erased.forget
DELETE FROM erased_traces WHERE erasure = $id

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

-- part: erase_traces
DELETE FROM traces WHERE project = $project AND start_ns < $before_ns

-- part: erase_corrections
DELETE FROM corrections WHERE project = $project AND start_ns < $before_ns

-- part: erase_scores
DELETE FROM scores WHERE project = $project AND start_ns < $before_ns

-- part: erase_alerts
DELETE FROM alerts WHERE project = $project AND opened_ns < $before_ns

-- part: erased.met
SELECT erasure, project, trace_id, series_id FROM erased_traces

-- part: erased.remember
INSERT INTO erased_traces SELECT unnest($erasures), unnest($projects), unnest($traces), unnest($series)

-- part: erased.carriers
-- The traces of a user or session, each with every series that it has spans in.
SELECT DISTINCT trace_id, series_id FROM spans
WHERE project = $project AND trace_id IN (
    SELECT trace_id FROM spans
    WHERE project = $project AND start_ns < $before_ns
      AND (($user_id <> '' AND user_id = $user_id) OR ($session_id <> '' AND session_id = $session_id))
)

-- part: erased.buckets
SELECT DISTINCT start_ns // $step_ns * $step_ns FROM spans
WHERE priced AND (project, trace_id) IN (SELECT (unnest($projects), unnest($traces)))

-- part: erased.delete
DELETE FROM {table} WHERE (project, trace_id) IN (SELECT (unnest($projects), unnest($traces)))

-- part: erased.alerts
SELECT id, project, series_id, opened_ns, trace_ids, record FROM alerts WHERE project IN $projects

-- part: erased.redact
UPDATE alerts SET trace_ids = $trace_ids, record = $record WHERE id = $id

-- part: retire.projects
SELECT id, value FROM settings WHERE kind = 'projects'

-- part: retire.old
-- What retention lets go of, each project by its own time; the first condition is for zone maps.
{at} < $latest_ns AND {at} < coalesce(map($projects::VARCHAR[], $cuts::BIGINT[])[project], $before_ns)

-- part: retire.count
SELECT project, count(*), min({at}) FROM {table} WHERE {old} GROUP BY project

-- part: retire.slice
SELECT max(ns) FROM (SELECT {at} AS ns FROM {table} WHERE {old} ORDER BY {at} LIMIT $rows) AS oldest

-- part: retire.buckets
SELECT DISTINCT start_ns // $step_ns * $step_ns FROM spans WHERE priced AND {old} AND start_ns <= $upto_ns

-- part: retire.traces
SELECT project, trace_id, start_ns, end_ns FROM traces WHERE {old} AND start_ns <= $upto_ns

-- part: retire.delete
DELETE FROM {table} WHERE {old} AND {at} <= $upto_ns

-- part: retire.last
SELECT record FROM retention_run

-- part: retire.forget
DELETE FROM retention_run

-- part: retire.note
INSERT INTO retention_run VALUES ($record)

-- part: expire_alert
DELETE FROM alerts WHERE id = $id AND rev <= $rev

-- part: set_setting
INSERT OR REPLACE INTO settings VALUES ($kind, $id, $project, $value, $written_ns, $partition, $offset)

-- part: remove_setting
DELETE FROM settings WHERE kind = $kind AND id = $id

-- part: insert_mark
INSERT OR IGNORE INTO marks
VALUES ($id, $project, $at_ns, $src_partition, $src_offset, $partition, $offset, $record)

-- part: insert_audit
INSERT OR IGNORE INTO audit VALUES ($id, $at_ns, $by, $action, $target, $project, $record)

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

-- part: facts.of_call
-- A call as a row of `calls_5m` that has this call alone: both sum up alike.
SELECT
    start_ns, project, service, endpoint, environment, provider, request_model, response_model,
    prompt_name, prompt_version, status, sample_rate, cost_usd IS NOT NULL AS cost_known,
    trace_id, user_id, session_id, tags, scores.quality_reason, scores.quality_tier,
    weight(sample_rate) AS calls,
    cost_usd * weight(sample_rate) AS cost_usd,
    CASE WHEN cost_usd IS NOT NULL THEN weight(sample_rate) ELSE 0 END AS priced_calls,
    CASE WHEN cost_usd IS NOT NULL AND cost_status = 'estimated' THEN weight(sample_rate) ELSE 0 END
        AS estimated_calls,
    input_tokens * weight(sample_rate) AS input_tokens,
    cache_read_tokens * weight(sample_rate) AS cache_read_tokens,
    cache_write_tokens * weight(sample_rate) AS cache_write_tokens,
    output_tokens * weight(sample_rate) AS output_tokens,
    reasoning_tokens * weight(sample_rate) AS reasoning_tokens,
    1 AS seen_calls,
    (sample_rate IS NOT NULL)::INT AS sampled_calls,
    CASE WHEN scores.quality IS NOT NULL THEN weight(sample_rate) ELSE 0 END AS judged_calls,
    scores.quality * weight(sample_rate) AS quality,
    bin_of(duration_ms) AS duration_bin,
    bin_of(ttft_ms) AS ttft_bin,
    quality_bin_of(scores.quality) AS quality_bin
FROM (SELECT * FROM calls WHERE {where}) AS calls
{quality}

-- part: facts.tagged
-- A row for each tag of a call; one with an empty tag where it has none.
SELECT
    *, unnest(CASE WHEN coalesce(tags, '[]') = '[]' THEN [''] ELSE list_distinct(from_json(tags, '["VARCHAR"]')) END)
        AS tag
FROM ({source}) AS facts

-- part: facts.judged
LEFT JOIN (
    SELECT project, trace_id, span_id, start_ns, quality, quality_reason, quality_tier FROM scores
    WHERE {within}
) AS scores USING (start_ns, span_id, trace_id, project)

-- part: facts.unjudged
CROSS JOIN (
    SELECT NULL::DOUBLE AS quality, NULL::VARCHAR AS quality_reason, NULL::VARCHAR AS quality_tier
) AS scores

-- part: rolled
SELECT start_ns FROM rolled ORDER BY start_ns

-- part: rolled.candidates
SELECT DISTINCT start_ns // $step_ns * $step_ns FROM spans WHERE priced

-- part: rolled.forget
DELETE FROM rolled WHERE start_ns IN $buckets

-- part: rolled.drop
DELETE FROM rolled WHERE start_ns < $before_ns

-- part: rolled.drop_sums
DELETE FROM calls_5m WHERE start_ns < $before_ns

-- part: rolled.clear
DELETE FROM calls_5m WHERE start_ns BETWEEN $first_ns AND $last_ns

-- part: rolled.fill
INSERT INTO calls_5m BY NAME
SELECT
    start_ns // $step_ns * $step_ns AS start_ns, project, service, endpoint, environment, provider, request_model, response_model,
    prompt_name, prompt_version, status, sample_rate, cost_known,
    sum(calls) AS calls, sum(cost_usd) AS cost_usd, sum(priced_calls) AS priced_calls,
    sum(estimated_calls) AS estimated_calls, sum(input_tokens) AS input_tokens,
    sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens,
    sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens,
    sum(seen_calls) AS seen_calls, sum(sampled_calls) AS sampled_calls, sum(judged_calls) AS judged_calls,
    sum(quality) AS quality, histogram(duration_bin) AS duration_bins, histogram(ttft_bin) AS ttft_bins,
    histogram(quality_bin) AS quality_bins
FROM ({facts}) AS facts
GROUP BY ALL

-- part: rolled.between
SELECT start_ns FROM rolled WHERE start_ns BETWEEN $first_ns AND $last_ns ORDER BY start_ns

-- part: rolled.mark
INSERT OR REPLACE INTO rolled SELECT unnest($buckets)

-- part: traces.of_span
-- A span as the row of a trace that has this span alone.
SELECT
    project, trace_id, trace_key_of(trace_id) AS trace_key,
    start_ns, ended_ns(start_ns, duration_ms) AS end_ns,
    parent_span_id <> '' AS root_child, start_ns AS root_ns, span_id AS root_span_id, name, service,
    status = 'error' AS failed, status = 'ok' AS succeeded,
    1 AS span_count, priced::INT AS call_count, (priced AND cost_usd IS NOT NULL)::INT AS priced_calls,
    (status = 'error')::INT AS error_count, CASE WHEN priced THEN cost_usd END AS cost_usd,
    CASE WHEN priced THEN coalesce(input_tokens, 0) ELSE 0 END AS input_tokens,
    CASE WHEN priced THEN coalesce(output_tokens, 0) ELSE 0 END AS output_tokens,
    CASE WHEN priced AND model_of(response_model, request_model) <> ''
        THEN [model_of(response_model, request_model)] ELSE [] END AS models,
    session_id, user_id, NULL::DOUBLE AS worst_quality

-- part: traces.of_score
-- A score as such a row: it makes no trace, but says how bad its worst answer is.
SELECT
    project, trace_id, trace_key_of(trace_id), NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, false,
    0, 0, 0, 0, NULL, 0, 0, [], '', '', quality
FROM scores

-- part: traces.fold
-- Rows of parts of traces to one row a trace.
SELECT
    project, trace_id, trace_key, min(start_ns) AS start_ns, max(end_ns) AS end_ns,
    bool_and(root_child) AS root_child,
    arg_min(root_ns, (root_child, root_ns, root_span_id)) AS root_ns,
    arg_min(root_span_id, (root_child, root_ns, root_span_id)) AS root_span_id,
    arg_min(name, (root_child, root_ns, root_span_id)) AS name,
    arg_min(service, (root_child, root_ns, root_span_id)) AS service,
    bool_or(failed) AS failed, bool_or(succeeded) AS succeeded,
    sum(span_count)::BIGINT AS span_count, sum(call_count)::BIGINT AS call_count,
    sum(priced_calls)::BIGINT AS priced_calls, sum(error_count)::BIGINT AS error_count,
    sum(cost_usd) AS cost_usd,
    scaled(sum(input_tokens)) AS input_tokens, scaled(sum(output_tokens)) AS output_tokens,
    list_sort(list_distinct(flatten(list(models)))) AS models,
    max(session_id) AS session_id, max(user_id) AS user_id, min(worst_quality) AS worst_quality
FROM parts
GROUP BY project, trace_id, trace_key
HAVING min(start_ns) IS NOT NULL

-- part: traces.rows
-- Rows of the traces table for these traces, looked for a day back from the first of their spans.
SELECT rowid, project, trace_id, start_ns, end_ns FROM traces
WHERE start_ns BETWEEN $first_ns AND $last_ns AND trace_key IN (SELECT trace_key_of(trace_id) FROM touched)

-- part: traces.refold
-- `touched`: the traces of a batch; `anew` tells those that lost or changed a span, and are made of their spans
-- again. All others add the batch's spans to the rows ($rows) that are there.
INSERT INTO traces BY NAME
WITH parts AS (
    SELECT traces.* FROM traces WHERE rowid IN $rows
        AND (project, trace_id) IN (SELECT (project, trace_id) FROM touched WHERE NOT anew)
    UNION ALL
    {of_span} FROM incoming
    WHERE (project, trace_id) NOT IN (SELECT (project, trace_id) FROM touched WHERE anew)
    UNION ALL
    {of_span} FROM spans
    WHERE start_ns BETWEEN $anew_first_ns AND $anew_last_ns
        AND (project, trace_id) IN (SELECT (project, trace_id) FROM touched WHERE anew)
    UNION ALL
    {of_score}
    WHERE start_ns BETWEEN $scores_first_ns AND $scores_last_ns
        AND (project, trace_id) IN (SELECT (project, trace_id) FROM touched)
)
{fold}

-- part: traces.delete
DELETE FROM traces WHERE rowid IN $rows

-- part: traces.judge
-- `judged`: the worst new score of each of the traces.
UPDATE traces SET worst_quality = judged.quality FROM judged
WHERE traces.rowid IN $rows AND traces.trace_id = judged.trace_id AND traces.project = judged.project
    AND (worst_quality IS NULL OR worst_quality > judged.quality)

-- part: traces.all
-- The whole table made of all spans and scores.
INSERT INTO traces BY NAME
WITH parts AS (
    {of_span} FROM spans WHERE start_ns BETWEEN $first_ns AND $last_ns
    UNION ALL
    {of_score} WHERE start_ns BETWEEN $first_ns AND $last_ns
)
{fold}

-- part: spans.traces
-- Traces of stored spans.
SELECT DISTINCT project, trace_id, start_ns FROM spans WHERE rowid IN $rows

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
-- part: order.sessions.newest
last_ns DESC
-- part: order.sessions.oldest
first_ns ASC
-- part: order.sessions.costliest
coalesce(cost_usd, -1) DESC
-- part: order.sessions.slowest
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
-- part: condition.environment
environment IN $environment
-- part: condition.release
release IN $release
-- part: condition.session_id
session_id IN $session_id
-- part: condition.user_id
user_id IN $user_id
-- part: condition.prompt_name
prompt_name IN $prompt_name
-- part: condition.prompt_version
prompt_version IN $prompt_version
-- part: condition.tag
list_has_any(try(json_extract_string(tags, '$[*]')), $tag)
-- part: condition.cost_status
cost_status IN $cost_status
-- part: condition.min_cost
cost_usd >= $min_cost
-- part: condition.max_cost
cost_usd <= $max_cost
-- part: condition.min_duration_ms
duration_ms >= $min_duration_ms
-- part: condition.max_duration_ms
duration_ms <= $max_duration_ms
-- part: condition.min_ttft_ms
ttft_ms >= $min_ttft_ms
-- part: condition.max_ttft_ms
ttft_ms <= $max_ttft_ms
-- part: condition.min_input_tokens
input_tokens >= $min_input_tokens
-- part: condition.max_input_tokens
input_tokens <= $max_input_tokens
-- part: condition.min_output_tokens
output_tokens >= $min_output_tokens
-- part: condition.max_output_tokens
output_tokens <= $max_output_tokens
-- part: condition.min_total_tokens
-- Unknown where neither is known; one that is not known is none of the sum.
coalesce(input_tokens + output_tokens::HUGEINT, input_tokens, output_tokens) >= $min_total_tokens
-- part: condition.max_total_tokens
coalesce(input_tokens + output_tokens::HUGEINT, input_tokens, output_tokens) <= $max_total_tokens
-- part: condition.scored
(start_ns, span_id, trace_id, project) IN (SELECT (start_ns, span_id, trace_id, project) FROM scores WHERE {where})
-- part: condition.min_quality
quality >= $min_quality
-- part: condition.max_quality
quality <= $max_quality
-- part: condition.quality_reason
quality_reason IN $quality_reason
-- part: condition.text
-- In the span itself, or in what came later than it.
(({said}) OR (project, trace_id, span_id) IN (
    SELECT (project, trace_id, span_id) FROM contents WHERE arrived_ns >= $text_since AND {late} AND ({said})
))
-- part: text.said
contains(lower(system), lower($text)) OR {input_messages} OR {output_messages}
-- part: text.in
-- Whether a message says it: the texts of its parts, names of tools, and what these are asked and answer. To
-- parse is dear, so first comes a look for the text as JSON writes it; \u and \/ are other ways to write a
-- character. Arguments and results that are no string are looked through as JSON.
CASE WHEN contains(lower({column}), lower($text_json)) OR contains({column}, '\u') OR contains({column}, '\/')
    THEN coalesce(try(
        len(list_filter(
            list_concat(
                json_extract_string({column}, '$[*].parts[*].content'),
                json_extract_string({column}, '$[*].parts[*].name')
            ),
            lambda said: contains(lower(said), lower($text))
        )) > 0
        OR len(list_filter(
            list_concat(
                json_extract({column}, '$[*].parts[*].arguments'),
                json_extract({column}, '$[*].parts[*].result')
            ),
            lambda said: CASE json_type(said)
                WHEN 'VARCHAR' THEN contains(lower(json_extract_string(said, '$')), lower($text))
                ELSE contains(lower(said::VARCHAR), lower($text_json)) END
        )) > 0
    ), false)
    ELSE false END
-- part: attribute.in
-- {key}: the key as JSON writes it; behind a backslash it may be written otherwise.
CASE WHEN contains({column}, {key}) OR contains({column}, '\') THEN coalesce({has}, false) ELSE false END
-- part: attribute.exists
try(json_exists({column}, {pointer}))
-- part: attribute.equals
-- Texts as they are, all else as JSON; a number with a point by its value.
try(
    coalesce(
        json_extract_string({column}, {pointer}), CASE WHEN json_exists({column}, {pointer}) THEN 'null' END
    ) IN {values}
    OR (
        json_type({column}, {pointer}) = 'DOUBLE'
        AND list_contains({numbers}::DOUBLE[], TRY_CAST(json_extract_string({column}, {pointer}) AS DOUBLE))
    )
)
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
-- part: group.environment
environment
-- part: group.provider
provider
-- part: group.model
model_of(response_model, request_model)
-- part: group.prompt_name
prompt_name
-- part: group.prompt_version
prompt_version
-- part: group.user_id
user_id
-- part: group.session_id
session_id
-- part: group.tag
tag
-- part: group.quality_reason
coalesce(quality_reason, 'not judged')
-- part: group.quality_tier
coalesce(quality_tier, 'not judged')


-- part: calls
SELECT * FROM calls
WHERE {where}
ORDER BY {order}
LIMIT $limit

-- part: calls_looked_up
-- The same where scores or texts decide: the page's rows first, for behind a join DuckDB reads all columns of
-- all that matches.
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
-- Where: what the trace must fulfil. Match: that one span of it fulfils what is asked of spans.
SELECT * FROM ({shown}) AS traces
WHERE {where} AND {match}
ORDER BY {order}
LIMIT $limit

-- part: traces.shown
SELECT
    trace_id, project, name, service, start_ns,
    round((end_ns - start_ns) / 1e6, 3) AS duration_ms,
    CASE WHEN failed THEN 'error' WHEN succeeded THEN 'ok' ELSE 'unset' END AS status,
    span_count, call_count, error_count, round(cost_usd, 9) AS cost_usd, priced_calls,
    input_tokens, output_tokens, models, session_id, user_id, worst_quality
FROM traces

-- part: traces.matching
-- No span of a trace begins before the trace does: so the time that is looked through bounds the spans.
(project, trace_id) IN (SELECT (project, trace_id) FROM spans WHERE {spans} AND {match})

-- part: trace_places
-- Where the spans of a trace lie, by project.
SELECT project, min(start_ns) AS first_ns, max(end_ns) AS last_ns FROM traces
WHERE trace_key = trace_key_of($trace_id) AND trace_id = $trace_id
GROUP BY project
ORDER BY project

-- part: sessions
-- A session is what its traces of the asked time are together. {traces}: their time and project; {match}: the
-- traces of which a session must have one; {where}: what the session must fulfil as a whole.
WITH within AS (
    SELECT * FROM traces WHERE session_id <> '' AND {traces}
)
SELECT * FROM (
    SELECT
        session_id, project,
        coalesce(list_sort(list_distinct(list(user_id) FILTER (user_id <> '')))[:20], []) AS users,
        count(DISTINCT trace_id) AS trace_count,
        sum(span_count)::BIGINT AS span_count,
        sum(call_count)::BIGINT AS call_count,
        sum(priced_calls)::BIGINT AS priced_calls,
        sum(error_count)::BIGINT AS error_count,
        round(sum(cost_usd), 9) AS cost_usd,
        scaled(sum(input_tokens)) AS input_tokens,
        scaled(sum(output_tokens)) AS output_tokens,
        min(worst_quality) AS worst_quality,
        CASE WHEN bool_or(failed) THEN 'error' WHEN bool_or(succeeded) THEN 'ok' ELSE 'unset' END AS status,
        min(start_ns) AS first_ns,
        max(start_ns) AS last_ns,
        round(max(end_ns / 1e6) - min(start_ns) / 1e6, 3) AS duration_ms
    FROM within
    GROUP BY project, session_id
)
WHERE {where} AND {match}
ORDER BY {order}
LIMIT $limit

-- part: sessions.match
(project, session_id) IN (SELECT (project, session_id) FROM within WHERE {match})

-- part: session_projects
SELECT DISTINCT project FROM traces WHERE session_id = $session_id ORDER BY project

-- part: facet.service
service
-- part: facet.endpoint
endpoint
-- part: facet.model
-- Both names of a model, as the filter takes either.
unnest(list_distinct([request_model, response_model]))
-- part: facet.provider
provider
-- part: facet.status
status
-- part: facet.environment
environment
-- part: facet.prompt_name
prompt_name
-- part: facet.prompt_version
prompt_version
-- part: facet.tag
unnest(list_distinct(try(json_extract_string(tags, '$[*]'))))
-- part: facet.user_id
user_id
-- part: facet.cost_status
cost_status
-- part: facet.quality_reason
quality_reason

-- part: facets.calls
-- How many calls the list has for each value.
SELECT value, count(*) AS count FROM (SELECT {value} AS value FROM {spans} WHERE priced AND {where})
WHERE {shown}
GROUP BY value
ORDER BY count DESC, value
LIMIT $limit

-- part: facets.traces
-- How many traces the list has for each value: those with one span that has it and matches.
SELECT value, count(*) AS count FROM (
    SELECT DISTINCT project, trace_id, value FROM (
        SELECT project, trace_id, {value} AS value FROM {spans} WHERE {around} AND {match}
    )
    WHERE {shown} AND (project, trace_id) IN (SELECT (project, trace_id) FROM ({whole}) WHERE {where})
)
GROUP BY value
ORDER BY count DESC, value
LIMIT $limit

-- part: facets.traces.status
-- The same for what a trace has as a whole.
SELECT status AS value, count(*) AS count FROM ({whole})
WHERE {where} AND {matching}
GROUP BY value
ORDER BY count DESC, value
LIMIT $limit

-- part: facets.judged
-- Spans with the reason of their score.
(
    SELECT spans.*, scores.quality_reason FROM spans JOIN (SELECT * FROM scores WHERE {place}) AS scores
        ON scores.start_ns = spans.start_ns AND scores.span_id = spans.span_id
        AND scores.trace_id = spans.trace_id AND scores.project = spans.project
)


-- part: trace
SELECT
    *, model_of(response_model, request_model) AS model
FROM spans
WHERE start_ns BETWEEN $first_ns AND $last_ns AND trace_id = $trace_id AND project = $project
ORDER BY start_ns, span_id
LIMIT $limit

-- part: trace_alerts
SELECT record FROM alerts
WHERE project = $project AND list_contains(trace_ids, $trace_id)
ORDER BY opened_ns, id

-- part: sums.costs
-- A sampled call stands for 1 / sample_rate calls.
SELECT
    {groups}
    scaled(sum(calls)) AS calls,
    sum(cost_usd) AS cost_usd,
    scaled(sum(priced_calls)) AS priced_calls,
    scaled(sum(calls) - sum(priced_calls)) AS unknown_calls,
    scaled(sum(estimated_calls)) AS estimated_calls,
    scaled(sum(calls) FILTER (status = 'error')) AS errors,
    scaled(sum(input_tokens)) AS input_tokens,
    scaled(sum(cache_read_tokens)) AS cache_read_tokens,
    scaled(sum(cache_write_tokens)) AS cache_write_tokens,
    scaled(sum(output_tokens)) AS output_tokens,
    scaled(sum(reasoning_tokens)) AS reasoning_tokens,
    coalesce(sum(seen_calls), 0)::BIGINT AS seen_calls,
    coalesce(sum(sampled_calls), 0) > 0 AS sampled
FROM ({source}) AS facts
GROUP BY {by}

-- part: sums.keep_costs
-- The rows by group, for the groups and the whole: what costs is to read the many rows, once.
CREATE OR REPLACE TEMP TABLE summed AS
SELECT
    {groups} status, sum(calls) AS calls, sum(cost_usd) AS cost_usd, sum(priced_calls) AS priced_calls,
    sum(estimated_calls) AS estimated_calls, sum(input_tokens) AS input_tokens,
    sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens,
    sum(output_tokens) AS output_tokens, sum(reasoning_tokens) AS reasoning_tokens,
    sum(seen_calls) AS seen_calls, sum(sampled_calls) AS sampled_calls
FROM ({source}) AS facts
GROUP BY ALL

-- part: sums.kept
SELECT * FROM summed

-- part: sums.place_of_trace
project, trace_id, min(start_ns) AS start_ns, arg_min(service, start_ns) AS service,

-- part: sums.quality
SELECT
    {groups}
    scaled(sum(calls)) AS calls,
    scaled(sum(judged_calls)) AS judged_calls,
    sum(quality) / nullif(sum(judged_calls), 0) AS mean,
    coalesce(sum(seen_calls), 0)::BIGINT AS seen_calls
FROM ({source}) AS facts
GROUP BY {by}

-- part: bins.of_calls
SELECT *, {measure}_bin AS bin, weight(sample_rate) AS n FROM ({source}) WHERE {measure}_bin IS NOT NULL

-- part: bins.of_rolled
SELECT * EXCLUDE (entry), entry.key AS bin, entry.value * weight(sample_rate) AS n
FROM (SELECT *, unnest(map_entries({measure}_bins)) AS entry FROM ({source}))

-- part: rolled.rows
SELECT * FROM calls_5m WHERE {where}

-- part: sums.bins
-- Calls by bin: of raw facts by the bin of each, of rolled ones by what their map holds.
SELECT {groups} bin, sum(n) AS n FROM ({source}) AS facts GROUP BY ALL

-- part: sums.keep
-- Bins by group, for further questions of the same transaction: they are dear to make, and few.
CREATE OR REPLACE TEMP TABLE binned AS {bins}

-- part: sums.binned
SELECT {groups} bin, sum(n) AS n FROM binned GROUP BY ALL

-- part: sums.quantiles
-- What a share of calls stays below, by bins.
SELECT
    {groups}
    scaled(max(total)) AS n,
    {quantiles}
FROM (
    SELECT
        *, sum(n) OVER (PARTITION BY {partition} ORDER BY bin) AS upto, sum(n) OVER (PARTITION BY {partition}) AS total
    FROM ({bins}) AS bins
)
GROUP BY {by}

-- part: sums.below
SELECT {groups} (sum(n) FILTER (bin < {below}) / sum(n))::DOUBLE AS low_share FROM ({bins}) AS bins GROUP BY {by}

-- part: sums.models
-- What each model was used for, of calls with a known cost.
SELECT
    provider, request_model, response_model, project,
    sum(priced_calls) AS calls, sum(cost_usd) AS cost_usd,
    sum(input_tokens) AS input_tokens, sum(cache_read_tokens) AS cache_read_tokens,
    sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens
FROM ({source}) AS facts
WHERE cost_known
GROUP BY ALL

-- part: errors.calls
SELECT * FROM calls WHERE {where} AND status = 'error'

-- part: errors
-- Failed calls by kind of error.
SELECT
    {groups}
    coalesce(json_extract_string(error, '$.type'), 'error') AS error,
    scaled(sum(weight(sample_rate))) AS errors,
    min(start_ns) AS first_ns,
    max(start_ns) AS last_ns,
    arg_max(json_extract_string(error, '$.message'), (start_ns, span_id)) AS message,
    arg_max(trace_id, (start_ns, span_id), 3) AS trace_ids
FROM ({source}) AS calls
GROUP BY ALL
ORDER BY errors DESC, error{ties}
LIMIT $limit

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

-- part: series.place
SELECT project, service, endpoint FROM spans WHERE series_id = $series_id AND start_ns >= $first_ns LIMIT 1

-- part: series.bands
-- A measure of a series by step, beside what it was in the time before each step. Bins are those of durations;
-- values are scaled to be like them.
WITH bins AS (
    SELECT
        start_ns // $step_ns * $step_ns AS start_ns, start_ns >= $first_ns AS shown, bin_of({value}) AS bin,
        sum(weight(sample_rate)) AS n
    FROM calls
    WHERE start_ns BETWEEN $before_ns AND $last_ns AND {where} AND {value} IS NOT NULL
    GROUP BY ALL
),
usual AS (
    SELECT steps.start_ns, bins.bin, sum(bins.n) AS n
    FROM (SELECT DISTINCT start_ns FROM bins WHERE shown) AS steps
    JOIN bins ON bins.start_ns < steps.start_ns AND bins.start_ns >= steps.start_ns - $usual_ns
    GROUP BY ALL
),
ranked AS (
    SELECT
        *, sum(n) OVER (PARTITION BY start_ns ORDER BY bin) AS upto,
        sum(n) OVER (PARTITION BY start_ns) AS total
    FROM bins WHERE shown
),
usually AS (
    SELECT
        *, sum(n) OVER (PARTITION BY start_ns ORDER BY bin) AS upto,
        sum(n) OVER (PARTITION BY start_ns) AS total
    FROM usual
),
actual AS (
    SELECT
        start_ns, scaled(max(total)) AS calls,
        ms_of(min(bin) FILTER (upto >= share_of(total, 0.1))) AS p10,
        ms_of(min(bin) FILTER (upto >= share_of(total, 0.5))) AS p50,
        ms_of(min(bin) FILTER (upto >= share_of(total, 0.95))) AS p95
    FROM ranked GROUP BY start_ns
),
band AS (
    SELECT
        start_ns, scaled(max(total)) AS usual_calls,
        ms_of(min(bin) FILTER (upto >= share_of(total, 0.5))) AS usual_p50,
        ms_of(min(bin) FILTER (upto >= share_of(total, 0.95))) AS usual_p95
    FROM usually GROUP BY start_ns
)
SELECT start_ns, calls, p10, p50, p95, coalesce(usual_calls, 0) AS usual_calls, usual_p50, usual_p95
FROM actual LEFT JOIN band USING (start_ns)
ORDER BY start_ns

-- part: series.cost_usd
cost_usd * 1e6
-- part: series.latency_ms
duration_ms
-- part: series.tokens
CASE WHEN input_tokens IS NOT NULL OR output_tokens IS NOT NULL
    THEN coalesce(input_tokens, 0)::DOUBLE + coalesce(output_tokens, 0) END

-- part: series.alerts
SELECT record FROM alerts
WHERE series_id = $series_id AND project = $project AND state <> 'resolved'
ORDER BY opened_ns DESC

-- part: alerts
SELECT id, opened_ns, record FROM alerts
WHERE {where}
ORDER BY {order}
LIMIT $limit

-- part: alert_facts
-- What statistics are made of.
SELECT
    kind, severity, state, service, opened_ns, resolved_ns,
    try(json_extract_string(record, '$.feedback')) AS feedback,
    try(json_extract_string(record, '$.history[*].state')) AS states,
    try(json_extract_string(record, '$.history[*].at')) AS moments
FROM alerts
WHERE {where}

-- part: alert
SELECT record FROM alerts WHERE id = $id

-- part: counts
SELECT
    (SELECT count(*) FROM spans) AS spans,
    (SELECT count(*) FROM contents) AS contents,
    (SELECT count(*) FROM scores) AS scores,
    (SELECT count(*) FROM alerts) AS alerts

-- part: settings
-- One page of a kind, the last written first. An empty list of projects is all of them.
SELECT id, project, value, written_ns, partition, "offset" FROM settings
WHERE kind = $kind AND (len($projects) = 0 OR project IN $projects)
  AND ($after_ns IS NULL OR (written_ns, id) < ($after_ns, $after_id))
ORDER BY written_ns DESC, id DESC
LIMIT $limit

-- part: setting
SELECT id, project, value, written_ns, partition, "offset" FROM settings WHERE kind = $kind AND id = $id

-- part: count_settings
SELECT count(*) FROM settings WHERE kind = $kind

-- part: marks
SELECT id, project, at_ns, partition, "offset", record FROM marks
WHERE (len($projects) = 0 OR project IN $projects OR ($common AND project = ''))
  AND ($since IS NULL OR at_ns >= $since) AND ($until IS NULL OR at_ns < $until)
  AND ($after_ns IS NULL OR (at_ns, id) < ($after_ns, $after_id))
ORDER BY at_ns DESC, id DESC
LIMIT $limit

-- part: mark
SELECT id, project, at_ns, partition, "offset", record FROM marks WHERE id = $id

-- part: audit
SELECT id, at_ns, record FROM audit
WHERE (len($projects) = 0 OR project IN $projects)
  AND (len($by) = 0 OR "by" IN $by) AND (len($action) = 0 OR action IN $action)
  AND (len($target) = 0 OR target IN $target)
  AND ($since IS NULL OR at_ns >= $since) AND ($until IS NULL OR at_ns < $until)
  AND ($after_ns IS NULL OR (at_ns, id) < ($after_ns, $after_id))
ORDER BY at_ns DESC, id DESC
LIMIT $limit

-- part: spent
-- What calls cost since the day and since the month began, by service: out of the buckets that are rolled up, and
-- the calls of the others. Sampled calls stand for more.
SELECT
    project, service,
    sum(cost_usd) FILTER (start_ns >= $day_ns) AS day,
    sum(cost_usd) AS month
FROM (
    SELECT project, service, start_ns, cost_usd FROM calls_5m
    WHERE start_ns IN (SELECT start_ns FROM rolled)
    UNION ALL
    SELECT project, service, start_ns, cost_usd * weight(sample_rate) FROM spans
    WHERE priced AND start_ns >= $month_ns AND start_ns < $until_ns
      AND start_ns // $step_ns * $step_ns NOT IN (SELECT start_ns FROM rolled)
)
WHERE start_ns >= $month_ns AND start_ns < $until_ns AND project IN $projects
GROUP BY project, service

-- part: models
-- Models that were called, for prices to be held against.
SELECT project, provider, request_model, response_model, count(*) AS calls FROM spans
WHERE priced AND start_ns >= $since AND (len($projects) = 0 OR project IN $projects)
GROUP BY ALL
ORDER BY calls DESC, project, provider, request_model, response_model
LIMIT $limit

-- part: known_projects
-- Projects with spans or settings, by name.
SELECT project, max(last_ns) AS last_ns FROM (
    SELECT project, max(start_ns) AS last_ns FROM traces
    WHERE (len($projects) = 0 OR project IN $projects) GROUP BY project
    UNION ALL
    SELECT id, NULL FROM settings WHERE kind = 'projects' AND (len($projects) = 0 OR id IN $projects)
)
WHERE project > $after
GROUP BY project
ORDER BY project
LIMIT $limit

-- part: query.parse
-- A statement from outside as DuckDB's parser reads it.
SELECT json_serialize_sql($sql)

-- part: query.names
-- All that has a name already, which a WITH may not take.
SELECT list(DISTINCT lower(name)) FROM (
    SELECT table_name AS name FROM duckdb_tables()
    UNION ALL SELECT view_name FROM duckdb_views()
    UNION ALL SELECT schema_name FROM duckdb_schemas()
)

-- part: query.bounds
SET SESSION operator_memory_limit = '{operator_limit}'

-- part: query.held
-- Bytes that cannot be dropped: all but the cache of the file, and rows that are not yet written into it.
SELECT coalesce(sum(memory_usage_bytes), 0)::BIGINT FROM duckdb_memory()
WHERE tag NOT IN ('BASE_TABLE', 'IN_MEMORY_TABLE', 'EXTERNAL_FILE_CACHE', 'METADATA')
