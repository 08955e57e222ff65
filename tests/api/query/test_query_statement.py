"""What a statement may say: DuckDB's own parse decides, before anything is bound or run."""

import contextlib
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lumina_api.query.statement import Refused, check
from lumina_api.query.vocabulary import FUNCTIONS, TABLE_FUNCTIONS
from lumina_api.views.store import Store

HARMLESS = (
    "SELECT 1",
    "FROM spans",
    "TABLE calls",
    "VALUES (1, 'a')",
    "DESCRIBE spans",
    "select count(*) from spans -- a comment; drop table spans",
    "SELECT /* ; DROP TABLE spans */ 1;",
    "SELECT * FROM main.spans UNION ALL SELECT * FROM views.main.spans",
    "SELECT model, quantile_cont(duration_ms, 0.99), count(*) FILTER (status = 'error') FROM calls GROUP "
    "BY ALL",
    "WITH hourly AS (SELECT time_bucket(INTERVAL 1 HOUR, make_timestamp_ns(start_ns)) AS hour FROM calls) "
    "SELECT hour, count(*) FROM hourly GROUP BY hour ORDER BY hour LIMIT 5",
    "WITH RECURSIVE up AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM up WHERE n < 5) SELECT sum(n) FROM up",
    "SELECT row_number() OVER (PARTITION BY project ORDER BY start_ns) FROM spans QUALIFY row_number() "
    "OVER () < 3",
    "SELECT tag FROM (SELECT unnest(json_extract_string(tags, '$[*]')) AS tag FROM spans) WHERE tag ILIKE "
    "'%x%'",
    "SELECT CASE WHEN cost_usd IS NULL THEN 0 ELSE cost_usd END, start_ns::VARCHAR, status IN ('ok', "
    "'error') "
    "FROM calls WHERE start_ns BETWEEN 1 AND 2 AND EXISTS (FROM scores WHERE scores.span_id = calls.span_id)",
    "SELECT * EXCLUDE (attributes), COLUMNS('.*tokens') FROM spans USING SAMPLE 10",
    "SELECT range FROM range(10) JOIN spans ON true",
)

ATTACKS = (
    # files and network
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM 'https://example.org/x.parquet'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('x')",
    "SELECT * FROM parquet_metadata('x')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM sqlite_scan('x', 'y')",
    "SELECT * FROM postgres_query('x', 'y')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "WITH x AS (FROM read_text('/etc/passwd')) FROM x",
    "WITH \"/etc/passwd\" AS (SELECT 1) SELECT * FROM '/etc/passwd'",
    "SELECT * FROM spans WHERE name IN (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT 1 ORDER BY (SELECT count(*) FROM glob('/*'))",
    "SELECT 1 LIMIT (SELECT count(*) FROM glob('/*'))",
    "SELECT sum(1) OVER (ORDER BY (SELECT count(*) FROM glob('/*')))",
    "FROM (VALUES ((SELECT count(*) FROM glob('/*'))))",
    "FROM range((SELECT count(*) FROM glob('/*')))",
    # other statements
    "ATTACH '/tmp/x.db'",
    "DETACH views",
    "COPY spans TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "PRAGMA version",
    "SET memory_limit = '10GB'",
    "RESET memory_limit",
    "SET VARIABLE x = 1",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "USE memory",
    "CREATE TABLE x AS SELECT 1",
    "CREATE MACRO x() AS 1",
    "DROP TABLE spans",
    "DELETE FROM spans",
    "UPDATE spans SET name = ''",
    "INSERT INTO spans SELECT * FROM spans",
    "TRUNCATE spans",
    "ALTER TABLE spans ADD COLUMN x INT",
    "PREPARE x AS SELECT 1",
    "EXECUTE x",
    "EXPLAIN ANALYZE SELECT 1",
    "PIVOT spans ON name USING count(*)",
    "SUMMARIZE spans",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "WITH x AS (INSERT INTO spans SELECT * FROM spans RETURNING *) FROM x",
    # more than one, and none
    "SELECT 1; SELECT 2",
    "SELECT 1; ATTACH '/tmp/x'",
    "SELECT 1 /* */ ; -- \n DROP TABLE spans",
    "; ;",
    "",
    "-- nothing",
    "/* nothing",
    "SELECT 1 \0",
    "selec 1",
    # what is not of the views
    "SELECT * FROM erasures",
    "SELECT * FROM settings",
    "SELECT * FROM audit",
    "WITH settings AS (SELECT 1) SELECT * FROM settings",
    "SELECT * FROM positions",
    "SELECT * FROM meta",
    "SELECT * FROM memory.main.spans",
    "SELECT * FROM temp.spans",
    "SELECT * FROM incoming",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM pragma_database_list()",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('spans')",
    "SELECT * FROM json_execute_serialized_sql('{}')",
    "WITH erasures AS (SELECT 1) SELECT * FROM erasures",
    "SELECT * FROM erasures WHERE 1 IN (WITH ERASURES AS (SELECT 1) FROM erasures)",
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "SELECT getvariable('x')",
    "SELECT nextval('x')",
    "SELECT write_log('x')",
    "SELECT main.getenv('HOME')",
    "SELECT 'HOME'.getenv()",
    # parameters
    "SELECT $1",
    "SELECT ?",
    "SELECT $name",
    # what makes much of little
    "SELECT repeat('x', 4000000000)",
    "SELECT replace(name, 'a', name) FROM spans",
    "SELECT name || name FROM spans",
    "SELECT concat(name, name) FROM spans",
    "SELECT lpad('x', 1000000000, 'y')",
    "SELECT printf('%1000000000d', 1)",
    "SELECT format('{:>1000000000}', 'x')",
    "SELECT range(1000000000)",
    "SELECT generate_series(1, 1000000000)",
    "SELECT list(input_messages) FROM spans",
    "SELECT string_agg(input_messages) FROM spans",
    "SELECT [1, 2]",
    "SELECT {'a': 1}",
    "SELECT list_transform(x, lambda y: y) FROM spans",
    "SELECT name::BLOB FROM spans",
    "SELECT name::BLOB::BIT::VARCHAR FROM spans",
    "SELECT name::VARCHAR[] FROM spans",
    "SELECT hex(name) FROM spans",
    "SELECT " + "(" * 300 + "1" + ")" * 300,
    "SELECT 1" + "+1" * 20_000,
)


@pytest.fixture(scope="module")
def cursor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    store = Store.open(tmp_path_factory.mktemp("query") / "views.duckdb")
    with store.cursor() as cursor:
        yield cursor
    store.close()


@pytest.mark.parametrize("sql", HARMLESS)
def test_what_reads_the_views_is_taken_and_runs(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    check(cursor, sql)
    cursor.execute(sql).fetchall()


@pytest.mark.parametrize("sql", ATTACKS, ids=[sql[:50] for sql in ATTACKS])
def test_an_attack_is_refused_before_it_runs(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(Refused):
        check(cursor, sql)


def test_every_function_of_duckdb_is_one_or_the_other(cursor: duckdb.DuckDBPyConnection) -> None:
    """What is allowed exists: a name that DuckDB drops, or that was mistyped, would never be missed."""
    rows = cursor.execute("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()
    there = {name.lower() for (name,) in rows}
    # Parsed as functions, and rewritten before they are looked up.
    parsed = {
        "if",
        "ifnull",
        "coalesce",
        "extract",
        "position",
        "first_value",
        "last_value",
        "nth_value",
        "lead",
    }
    parsed |= {
        "lag",
        "ntile",
        "rank",
        "dense_rank",
        "percent_rank",
        "cume_dist",
        "row_number",
        "count_if",
        "->",
    }
    assert FUNCTIONS | TABLE_FUNCTIONS - {"unnest"} <= there | parsed


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([*" ();,'\"*$?/-\n", "SELECT", "FROM", "WITH", "spans", "x", "AS", "1", "--"]))
)
def test_whatever_is_sent_is_taken_or_refused(cursor: duckdb.DuckDBPyConnection, words: list[str]) -> None:
    sql = " ".join(words)
    with contextlib.suppress(Refused):
        check(cursor, sql)
