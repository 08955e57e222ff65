"""SQL through REST: rows out, and neither memory, time nor the writer is at the mercy of a statement."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, mixed_spans
from lumina_api.access.principal import PRINCIPAL, Principal
from lumina_api.query import runner
from lumina_api.query.runner import Runner
from lumina_api.views.freshness import LogPosition
from lumina_api.writer import Writer
from lumina_schemas.audit import AuditEntry
from lumina_schemas.settings import Settings
from lumina_schemas.topics import Topic

NEWEST_NS = time.time_ns() - SECOND_NS

HEAVY = (
    "SELECT * FROM spans ORDER BY input_messages",
    "SELECT count(*) FROM spans a, spans b, spans c",
    "SELECT a.range * b.range AS product, count(*) FROM range(1000000) a, range(1000000) b GROUP BY product",
    "SELECT DISTINCT a.span_id, b.span_id FROM spans a, spans b",
    "SELECT mode(a.input_messages) FROM spans a, spans b",
    "SELECT quantile_cont(a.start_ns + b.start_ns, 0.5) FROM spans a, spans b, spans c",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT a.n + 1 FROM t a, range(100)) SELECT count(*) "
    "FROM t",
    "SELECT row_number() OVER (ORDER BY hash(range)), range FROM range(1000000000)",
)


class Told(Writer):
    """The way to Kafka, for tests without one: keeps what is put on the audit log."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.entries: list[AuditEntry] = []

    async def write(
        self, topic: Topic, key: str, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> LogPosition:
        self.entries.append(msgspec.json.decode(value or b"", type=AuditEntry))
        return LogPosition(topic.name, 0, len(self.entries) - 1)


def audited(rest: Rest) -> list[AuditEntry]:
    """What is put on the audit log from now on."""
    writer = Told(rest.views.settings)
    rest.client.app.state.writer = writer  # type: ignore[attr-defined]
    return writer.entries


def ask(rest: Rest, sql: str, expect: int = 200, **body: Any) -> Any:
    response = rest.client.post("/api/v1/query", json={"sql": sql, **body})
    assert response.status_code == expect, response.text
    return response.json()


@pytest.fixture
def filled(rest: Rest) -> Rest:
    rest.apply(rest.log.spans(mixed_spans(200, 1, NEWEST_NS)))
    audited(rest)
    return rest


def test_a_question_is_answered_with_names_types_and_rows(filled: Rest) -> None:
    found = ask(
        filled, "SELECT kind, count(*) AS spans, sum(cost_usd) AS cost FROM spans GROUP BY kind ORDER BY 1"
    )
    assert found["columns"] == [
        {"name": "kind", "type": "VARCHAR"},
        {"name": "spans", "type": "BIGINT"},
        {"name": "cost", "type": "DOUBLE"},
    ]
    assert sum(row[1] for row in found["rows"]) == 200
    assert not found["truncated"]
    assert found["elapsed_ms"] > 0


def test_every_kind_of_value_is_json(filled: Rest) -> None:
    sql = (
        "SELECT 1e308 * 10, 170141183460469231731687303715884105727::HUGEINT, DATE '2026-01-02', "
        "TIMESTAMP '2026-01-02 03:04:05', INTERVAL 90 SECOND, 1.25::DECIMAL(9, 2), NULL, true, "
        "uuid::VARCHAR, models FROM traces, (SELECT '0'::VARCHAR AS uuid) LIMIT 1"
    )
    (row,) = ask(filled, sql)["rows"]
    assert row[:8] == [
        *(None, "170141183460469231731687303715884105727", "2026-01-02", "2026-01-02T03:04:05"),
        *(90.0, 1.25, None, True),
    ]
    assert isinstance(row[9], list)


def test_rows_and_bytes_are_limited_and_said_to_be(filled: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ask(filled, "SELECT * FROM range(1000000000000)")
    assert (len(found["rows"]), found["truncated"]) == (10_000, True)
    assert len(ask(filled, "SELECT * FROM range(7)", limit=7)["rows"]) == 7
    assert not ask(filled, "SELECT * FROM range(7)", limit=7)["truncated"]
    assert ask(filled, "SELECT * FROM range(8)", limit=7)["truncated"]
    monkeypatch.setattr(runner, "MOST_BYTES", 1000)
    found = ask(filled, "SELECT md5(range::VARCHAR) FROM range(1000)")
    assert (len(found["rows"]), found["truncated"]) == (27, True)


def test_what_is_wrong_is_said_in_duckdbs_words_without_paths(filled: Rest) -> None:
    for sql in (
        "SELECT nothing FROM spans",
        "SELECT 'x'::INTEGER",
        "SELECT sum(name) FROM spans",
        "SELECT 1 +",
    ):
        problem = ask(filled, sql, 422)
        assert problem["errors"][0]["parameter"] == "sql"
        assert str(filled.views.path.parent) not in str(problem)
    assert "nothing" in ask(filled, "SELECT nothing FROM spans", 422)["detail"]
    assert "Tables:" in ask(filled, "SELECT * FROM '/etc/passwd'", 422)["detail"]
    ask(filled, "SELECT 1", 422, more=1)
    ask(filled, "SELECT 1", 422, limit=10_001)


def test_sql_is_for_admins_of_the_whole_alone(filled: Rest) -> None:
    asked = {"caller": Principal("k", frozenset({"write"}))}
    app = filled.client.app

    async def as_caller(scope: Any, receive: Any, send: Any) -> None:
        scope[PRINCIPAL] = asked["caller"]
        await app(scope, receive, send)

    filled.client._transport.app = as_caller  # type: ignore[attr-defined]
    ask(filled, "SELECT 1", 403)
    asked["caller"] = Principal("k", frozenset({"admin"}), "shop")
    ask(filled, "SELECT 1", 403)
    asked["caller"] = Principal("k", frozenset({"admin"}))
    ask(filled, "SELECT 1")


def test_each_statement_is_audited_before_it_runs(filled: Rest) -> None:
    told = audited(filled)
    ask(filled, "SELECT 1")
    ask(filled, "DROP TABLE spans", 422)
    assert [entry.change for entry in told] == [{"sql": "SELECT 1"}, {"sql": "DROP TABLE spans"}]
    assert {(entry.action, entry.by) for entry in told} == {("query", "anonymous")}


def test_what_cannot_be_audited_does_not_run(filled: Rest) -> None:
    filled.client.app.state.writer = Writer(filled.views.settings)  # type: ignore[attr-defined]
    ask(filled, "SELECT 1", 503)


class Load:
    """A writer and a reader that go on beside what a test does."""

    def __init__(self, rest: Rest) -> None:
        self.batches = 0
        self.slowest_s = 0.0
        self.failed: list[BaseException] = []
        self._rest = rest
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(what,)) for what in (self._write, self._read)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, what: Any) -> None:
        try:
            while not self._over.wait(0.05):
                what()
        except BaseException as error:
            self.failed.append(error)

    def _write(self) -> None:
        self.batches += 1
        self._rest.apply(self._rest.log.spans(mixed_spans(100, 1000 + self.batches, NEWEST_NS)))

    def _read(self) -> None:
        started = time.monotonic()
        self._rest.get("/api/v1/calls", since="2000-01-01T00:00:00Z")
        self.slowest_s = max(self.slowest_s, time.monotonic() - started)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """200,000 spans, 400 MB of text."""
    rest = Rest(Path(tmp_path_factory.mktemp("large")) / "views.duckdb")
    rest.apply(rest.log.spans(mixed_spans(100, 1, NEWEST_NS)))
    rest.store._connection.execute(
        "INSERT INTO spans BY NAME SELECT spans.* REPLACE (md5(range::VARCHAR) AS trace_id, "
        "left(md5(range::VARCHAR), 16) AS span_id, "
        'printf(\'[{"role": "%s"}]\', repeat(md5(range::VARCHAR), 60)) AS input_messages, '
        "start_ns + range AS start_ns) FROM spans, range(2000)"
    )
    audited(rest)
    rest.client.app.state.runner = Runner(1.0)  # type: ignore[attr-defined]
    yield rest
    rest.store.close()


def test_heavy_statements_end_while_batches_are_applied_and_others_answered(large: Rest) -> None:
    before = runner._resident()
    with Load(large) as load:
        for sql in HEAVY:
            batches, started = load.batches, time.monotonic()
            response = large.client.post("/api/v1/query", json={"sql": sql})
            assert response.status_code in (422, 504), (sql, response.text[:300])
            assert time.monotonic() - started < 6, sql
            assert runner._resident() - before < 600_000_000, sql
            deadline = time.monotonic() + 10
            while load.batches <= batches and not load.failed and time.monotonic() < deadline:
                time.sleep(0.01)
        assert not load.failed, load.failed
    assert load.batches >= len(HEAVY)
    assert load.slowest_s < 3


def test_one_statement_runs_at_a_time(large: Rest) -> None:
    endless = "SELECT count(*) FROM range(1000000000000)"
    answered: list[int] = []

    def ask_endless() -> None:
        answered.append(large.client.post("/api/v1/query", json={"sql": endless}).status_code)

    threads = [threading.Thread(target=ask_endless) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answered) == [503, 504]
    assert ask(large, "SELECT 1")["rows"] == [[1]]
