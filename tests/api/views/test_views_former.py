"""A views' file of another release: it answers and follows until the present one has been built."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from starlette.testclient import TestClient

from api.views.span_lines import EPOCHS, NOON_NS, Log, alert, content, score, span
from api.views.test_views_service import following, produce, spans_in, until
from lumina_api.rest import create_app
from lumina_api.rest.models import Readiness
from lumina_api.views import Views, ViewsAway, file, queries
from lumina_api.views.batch import batch_of
from lumina_api.views.file import former_of
from lumina_api.views.filters import Filters
from lumina_api.views.former import Unfit, open_former
from lumina_api.views.queries import Page
from lumina_api.views.store import Store
from lumina_schemas.settings import Settings


def aged(path: Path) -> None:
    """Take from a file what a former release did not have, and give it what that one had."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW calls")
        connection.execute("ALTER TABLE spans DROP COLUMN truncated")
        connection.execute("ALTER TABLE spans DROP COLUMN environment")
        connection.execute("ALTER TABLE spans ADD COLUMN colour VARCHAR DEFAULT 'red'")
        connection.execute("ALTER TABLE spans ALTER colour SET NOT NULL")
        connection.execute("ALTER TABLE alerts DROP COLUMN severity")
        for table in ("audit", "calls_5m", "rolled", "erased_traces"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP MACRO ended_ns")
        connection.execute("CREATE VIEW calls AS SELECT * FROM spans WHERE priced")
        connection.execute("UPDATE meta SET version = 'of-yesterday'")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "views.duckdb"


def test_present_statements_run_on_it_and_what_it_lacked_is_not_shown(path: Path) -> None:
    log = Log()
    store = Store.open(path)
    one = span(1)
    store.apply(batch_of([log.spans([one, span(2)]), log.alert(alert(1)), log.scores([score(one)])]), EPOCHS)
    store.close()
    aged(path)
    for _ in range(2):  # a restart in between finds it as it was left
        former = Store(open_former(path))
        late = batch_of(
            [
                log.spans([span(2), span(3), content(one, 1, system="late")]),
                log.alert(alert(1, rev=2)),
                log.alert(alert(2)),
                log.correction(one),
                log.erasure("x", "other", 5),
            ]
        )
        former.apply(late, EPOCHS)
        with former.cursor() as cursor:
            rows = queries.calls(cursor, Filters(), Page(10, "oldest"))
            assert [row["start_ns"] for row in rows] == [span(n).start_ns for n in (1, 2, 3)]
            assert {row["environment"] for row in rows} == {""}
            assert len(queries.alerts(cursor, Filters(), Page(10, "newest"))) >= 2
            assert len(queries.traces(cursor, Filters(), Page(10, "newest"), NOON_NS)) == 3
            with pytest.raises(duckdb.CatalogException):
                cursor.execute("SELECT * FROM audit")
        former.close()


def test_a_file_that_has_another_shape_altogether_will_not_do(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE spans (start_ns VARCHAR, priced INTEGER)")
        connection.execute("INSERT INTO spans VALUES ('yesterday', 1)")
    with pytest.raises(Unfit, match="cannot be used"):
        open_former(path)
    with pytest.raises(Unfit, match="gone"):
        open_former(path.with_name("nothing"))


@pytest.mark.kafka
async def test_it_answers_all_along_and_nothing_is_missing_or_twice(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log()
    await produce(
        settings,
        *(log.spans([span(n * 10 + place) for place in range(10)], partition=n % 4) for n in range(30)),
        log.alert(alert(1)),
    )
    async with following(settings) as views:
        path = views.path
    aged(path)
    gate = asyncio.Event()
    slow_batches(monkeypatch, gate)
    views = Views(settings)
    await views.start()
    seen: list[int] = []
    sent = 300
    try:
        await until(answering_from_former(views), "the former file does not answer")
        assert views.building is not None
        answered = TestClient(create_app(views)).get("/ready")
        ready = Readiness.model_validate(answered.json())
        assert answered.status_code == 200
        assert ready.rebuilding is not None
        assert ready.rebuilding.replayed == 0
        assert ready.rebuilding.reasons
        assert sum(topic.behind for topic in ready.rebuilding.topics) == 31
        for step in range(40):
            await produce(settings, log.spans([span(1000 + step)], partition=step % 4))
            sent += 1
            if step == 10:
                with (
                    pytest.raises(ViewsAway, match=r"rebuilt for this release: \d+% done"),
                    views.cursor() as c,
                ):
                    c.execute("SELECT * FROM audit")
            if step == 20:
                assert views.former is not None
                await until(showing(views, sent), "the former file does not follow")
                gate.set()
            with views.cursor() as cursor:
                count, ids = cursor.execute("SELECT count(*), count(DISTINCT span_id) FROM spans").fetchall()[
                    0
                ]
                assert count == ids
                assert queries.traces(cursor, Filters(), Page(10, "newest"), NOON_NS)
            seen.append(count)
        await until(lambda: views.former is None, "the present file does not take over")
        await until(lambda: spans_in(views) == sent, "not all is there")
        assert seen == sorted(seen)  # nothing that was shown is ever missing
        assert seen[0] >= 300
        with views.cursor() as cursor:
            cursor.execute("SELECT * FROM audit")
            with pytest.raises(duckdb.BinderException):
                cursor.execute("SELECT colour FROM spans")
        await until(lambda: not former_of(path).exists(), "the former file stays")
        assert views.ready
        after = Readiness.model_validate(TestClient(create_app(views)).get("/ready").json())
        assert after.rebuilding is None
        assert after.records_per_s
    finally:
        await views.stop()
    async with following(settings) as views:
        assert views.former is None
        assert spans_in(views) == sent


@pytest.mark.kafka
async def test_a_restart_in_between_goes_on_with_both(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log()
    await produce(settings, *(log.spans([span(n)], partition=n % 4) for n in range(40)))
    async with following(settings) as views:
        path = views.path
    aged(path)
    with monkeypatch.context() as patched:
        slow_batches(patched, asyncio.Event())
        for more in range(2):
            views = Views(settings)
            await views.start()
            await until(answering_from_former(views), "the former file does not answer")
            await produce(settings, log.spans([span(100 + more)]))
            await until(showing(views, 41 + more), "the former file does not follow")
            await views.stop()
            assert former_of(path).is_file()
    async with following(settings) as views:
        await until(lambda: views.former is None and views.ready, "the present file does not take over")
        assert spans_in(views) == 42
        await until(lambda: not former_of(path).exists(), "the former file stays")


@pytest.mark.kafka
async def test_one_that_will_not_do_is_put_aside(settings: Settings) -> None:
    log = Log()
    await produce(settings, log.spans([span(1)]))
    path = settings.data_dir / "views.duckdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE spans (start_ns VARCHAR)")
        connection.execute("INSERT INTO spans VALUES ('yesterday')")
        connection.execute("CREATE TABLE meta AS SELECT 'other' AS version")
    async with following(settings) as views:
        await until(lambda: views.former is None and views.ready, "it is not given up")
        assert spans_in(views) == 1
        await until(lambda: not former_of(path).exists(), "it stays")


def showing(views: Views, spans: int) -> Callable[[], bool]:
    return lambda: spans_in(views) == spans


def answering_from_former(views: Views) -> Callable[[], bool]:
    return lambda: views.former is not None and views.ready


def slow_batches(monkeypatch: pytest.MonkeyPatch, gate: asyncio.Event) -> None:
    """Have the present file's batches wait while the gate is closed."""
    apply = Store.apply

    def waiting(self: Store, *given: object, **named: object) -> None:
        if not self._file.path.name.endswith(".former") and not gate.is_set():
            raise file.Unusable("The test holds it up.")
        apply(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "apply", waiting)
