"""`lumina reprice` against a real Kafka, as a process of its own; its corrections seen through the views."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from api.views.span_lines import NOON_NS, SECOND_NS, content, span
from lumina_api.views import Views, queries
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page
from lumina_schemas.correction import Correction
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Span
from lumina_schemas.topics import CORRECTIONS, SETTINGS, SPANS
from lumina_streams.core.price.book import LIST_VERSION
from topic_log import everything

pytestmark = pytest.mark.kafka

Reprice = Callable[..., "subprocess.CompletedProcess[str]"]
FROM, TO = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"
LISTED = 100 * 0.15e-6 + 10 * 0.60e-6


@pytest.fixture
def reprice(child_env: dict[str, str]) -> Reprice:
    def run(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from lumina_api.cli import app; app()", "reprice", *words],
            env=child_env | {"COLUMNS": "200", "NO_COLOR": "1"} | env,
            capture_output=True,
            timeout=120,
            text=True,
        )

    return run


def listed(number: int, **changes: Any) -> Span:
    """A call that costs what the list says; each a second after the one before."""
    values: dict[str, Any] = {"input_tokens": 100, "cost_usd": LISTED, "price_version": LIST_VERSION}
    return span(number, **(values | changes))


async def write(settings: Settings, batches: list[list[Any]], partition: int = 0) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for batch in batches:
            value = b"\n".join(
                line if isinstance(line, bytes) else msgspec.json.encode(line) for line in batch
            )
            await producer.send_and_wait(settings.topic(SPANS), value, partition=partition)
        await producer.send_and_wait(
            settings.topic(SPANS), b"{}", partition=partition, headers=[("lumina-type", b"tick")]
        )


async def set_price(settings: Settings, id: str, value: bytes | None) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(settings.topic(SETTINGS), value, key=f"prices/{id}".encode())


async def corrections(settings: Settings) -> list[ConsumerRecord]:
    return await everything(settings, settings.topic(CORRECTIONS))


async def shown(settings: Settings) -> dict[str, tuple[Any, ...]]:
    """Costs of all calls in views that are built anew."""
    views = Views(settings)
    await views.start()
    try:
        async with asyncio.timeout(30):
            while not views.ready:
                await asyncio.sleep(0.02)
        with views.cursor() as cursor:
            rows = queries.calls(cursor, Filters(), Page(1_000, "oldest"))
    finally:
        await views.stop()
        views.path.unlink()
    return {str(row["span_id"]): (row["cost_usd"], row["cost_status"], row["price_version"]) for row in rows}


def said(run: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert run.returncode == 0, run.stderr
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


async def test_a_changed_price_corrects_what_is_shown_and_a_second_run_nothing(
    settings: Settings, reprice: Reprice
) -> None:
    calls = [listed(number) for number in range(4)]
    calls.append(listed(4, response_id="r1", cache_read_tokens=0, scope="native"))
    priceless = listed(
        7, request_model="house-1", response_model="house-1", cost_usd=None, cost_status="unknown"
    )
    outside = [listed(3_600), listed(9_999, start_ns=NOON_NS - SECOND_NS)]
    again = msgspec.structs.replace(calls[0], src=Source("1" * 32, "otlp", 0, 99, 0))
    container = span(8, kind="agent", cost_usd=None, cost_status=None, priced=False)
    # A second report of a call, by its own message: it is priced, and stands in no sum.
    duplicate = listed(
        9,
        response_id="r1",
        scope="other",
        start_ns=calls[4].start_ns,
        duplicate_of=calls[4].span_id,
        priced=False,
    )
    await write(settings, [calls[:3], [calls[3], b"garbage", content(calls[3], 1, system="x")]], 0)
    await write(settings, [[calls[4], priceless, container, duplicate], outside], 2)
    await write(settings, [[again]], 0)
    before = await shown(settings)
    assert len(before) == 8

    nothing = said(reprice("--from", FROM, "--to", TO, "--json"))
    assert (nothing["all"]["calls"], nothing["changed"]["calls"], nothing["written"]) == (6, 0, 0)
    assert nothing["unreadable"] == 1

    await set_price(settings, "mini", b'{"model":"gpt-4o-mini*","input":1,"output":10}')
    await set_price(settings, "house", b'{"model":"house-*","input":0,"output":0}')
    await set_price(settings, "broken", b"free")
    dry = reprice("--from", FROM, "--to", TO, "--dry-run", "--json")
    planned = said(dry)
    assert "prices/broken in the settings is no price" in dry.stderr
    assert (planned["changed"]["calls"], planned["others_changed"], planned["written"]) == (6, 1, 0)
    assert await corrections(settings) == []
    assert await shown(settings) == before

    run = reprice("--from", FROM, "--to", TO, "--by", "ada")
    assert run.returncode == 0, run.stderr
    new = (100 * 1 + 10 * 10) / 1e6
    assert "gpt-4o-mini-2024-07-18" in run.stdout
    assert f"6 calls corrected: {5 * LISTED:.6f} -> {5 * new:.6f} USD (1 -> 0 unknown)." in run.stdout
    written = [msgspec.json.decode(record.value, type=Correction) for record in await corrections(settings)]
    assert {one.span_id for one in written} == {one.span_id for one in [*calls, priceless, duplicate]}
    assert {one.by for one in written} == {"ada"}
    assert all(abs((datetime.now(UTC) - one.at).total_seconds()) < 300 for one in written)

    after = await shown(settings)
    for call in calls:
        usd, status, version = after[call.span_id]
        assert usd == pytest.approx(new)
        assert status == "exact"
        assert version.startswith("settings:prices/mini@")
    assert after[priceless.span_id][:2] == (0.0, "exact")
    for call in outside:
        assert after[call.span_id] == before[call.span_id]

    second = said(reprice("--from", FROM, "--to", TO, "--json"))
    assert (second["all"]["calls"], second["changed"]["calls"], second["written"]) == (6, 0, 0)
    assert second["all"]["old_usd"] == pytest.approx(5 * new)
    assert len(await corrections(settings)) == 7

    # What is taken back comes back: the list's price again, and no price for the house's model.
    await set_price(settings, "mini", None)
    await set_price(settings, "house", None)
    back = said(reprice("--from", FROM, "--to", TO, "--json"))
    assert (back["changed"]["calls"], back["changed"]["unknown_after"]) == (6, 1)
    assert back["by_price_version"][LIST_VERSION]["calls"] == 6
    final = await shown(settings)
    assert {id: row[1] for id, row in final.items()} == {id: row[1] for id, row in before.items()}
    for call in calls:
        assert final[call.span_id][0] == pytest.approx(LISTED)
    assert final[priceless.span_id][0] is None


async def test_the_file_counts_and_a_bad_one_is_said(
    settings: Settings, reprice: Reprice, tmp_path: Path
) -> None:
    call = listed(1)
    await write(settings, [[call]])
    path = tmp_path / "prices.toml"
    path.write_text('[prices.mini]\nmodel = "gpt-4o-mini*"\ninput = 1\noutput = 10\n')
    found = said(reprice("--from", FROM, "--to", TO, "--json", LUMINA_PRICES_FILE=str(path)))
    assert found["written"] == 1
    (version,) = found["by_price_version"]
    assert version.startswith("file:mini@")
    path.write_text("[prices.mini]\nmodel = 3\n")
    failed = reprice("--from", FROM, "--to", TO, LUMINA_PRICES_FILE=str(path))
    assert failed.returncode == 1
    assert "prices.mini (line 1)" in failed.stderr


async def test_wrong_times_and_no_kafka(settings: Settings, reprice: Reprice) -> None:
    assert "--to must lie behind --from" in reprice("--from", TO, "--to", FROM).stderr
    assert reprice("--from", "soon", "--to", TO).returncode == 2
    away = reprice("--from", FROM, "--to", TO, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:42002")
    assert away.returncode == 1
    assert "127.0.0.1:42002 cannot be used" in away.stderr


async def test_only_what_arrived_in_time_is_read(settings: Settings, reprice: Reprice) -> None:
    """Calls of a time that is yet to come, of which nothing can have arrived."""
    await write(settings, [[listed(1)]])
    found = said(reprice("--from", "2200-01-01T00:00:00Z", "--to", "2200-01-02T00:00:00Z", "--json"))
    assert found["all"]["calls"] == 0
