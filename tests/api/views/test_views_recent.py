"""What the views remember of rows that came lately."""

from pathlib import Path

from api.views.span_lines import EPOCHS, Log, span
from lumina_api.views import recent
from lumina_api.views.batch import batch_of
from lumina_api.views.recent import Recent
from lumina_api.views.store import Store
from lumina_schemas.span import Span


def call(number: int, **changes: str) -> Span:
    values = {"trace_id": f"{number:032x}", "response_id": f"resp-{number}", "kind": "llm"}
    return span(number, **(values | changes))


def test_strangers_do_not_meet() -> None:
    memory = Recent()
    memory.add(call(number) for number in range(20_000))
    met = sum(memory.meets([call(number)]) for number in range(20_000, 30_000))
    assert met < 10  # each a look in vain, no more


def test_a_trace_a_response_id_and_a_clients_own_span_meet() -> None:
    memory = Recent()
    memory.add([call(1)])
    assert memory.meets([call(2, trace_id=f"{1:032x}")])
    assert memory.meets([call(2, response_id="resp-1")])
    assert not memory.meets([call(2, response_id="resp-1", project="other")])
    assert memory.meets([call(2, response_id="", scope="com.anthropic.sdk.python")])
    memory.add([call(3, response_id="", scope="mistralai_sdk_tracer", request_model="mistral-small")])
    assert memory.meets([call(4, request_model="mistral-small")])


def test_two_generations_are_kept() -> None:
    memory = Recent()
    limit, recent.MOST_KEYS = recent.MOST_KEYS, 4
    try:
        memory.add(call(number) for number in range(1, 5))  # two keys each: the second generation is full
        assert memory.meets([call(2, response_id="")])
        memory.add(call(number) for number in range(5, 9))
        assert not memory.meets([call(1, response_id="")])
    finally:
        recent.MOST_KEYS = limit


def test_a_second_span_after_a_restart_is_settled(tmp_path: Path) -> None:
    log = Log()
    first = call(1, span_id="1" * 16, scope="a")
    second = call(2, span_id="2" * 16, scope="b", response_id="resp-1")
    path = tmp_path / "views.duckdb"
    store = Store.open(path)
    store.apply(batch_of([log.spans([first])]), EPOCHS)
    store.close()
    store = Store.open(path)
    store.apply(batch_of([log.spans([second])]), EPOCHS)
    with store.cursor() as cursor:
        ((priced,),) = cursor.execute("SELECT count(*) FROM spans WHERE priced").fetchall()
    store.close()
    assert priced == 1
