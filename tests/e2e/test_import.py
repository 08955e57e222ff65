"""An incident's history, imported into a running installation: learned, shown, and nobody is told."""

import random
import time
import uuid
from pathlib import Path

import msgspec

from e2e.otlp_calls import normal_calls, post, refused
from e2e.stack import Stack, eventually
from e2e.truth import actual_run, records
from faults.traffic import CALLS, SERIES, land, traffic
from faults.verdict import verdict
from lumina_api.archive.giving import give
from lumina_api.archive.manifest import PARTS
from lumina_api.archive.taking import take
from lumina_api.provision import provision, remove
from lumina_api.stack.environment import environment
from lumina_schemas.settings import Settings
from lumina_schemas.topics import IMPORTED_HEADER
from lumina_streams.core.series.state import Hot

SEEN_S = 60.0
CALLS_AT = Hot.__struct_fields__.index("calls")


def silent(_: str) -> None:
    """Nobody reads the progress."""


async def test_an_imported_incident_teaches_and_notifies_nobody(
    stack: Stack, settings: Settings, tmp_path: Path
) -> None:
    await stack.start("stream")
    await land(settings, traffic(17), seconds=2)
    assert (await verdict(settings, SERIES * CALLS)).exact
    before = await actual_run(settings, clocks=False)
    assert before.alerts
    stack.stop()
    await take(settings, tmp_path / "archive", PARTS, None, False, silent)

    fresh = settings.model_copy(
        update={"topic_prefix": f"o{uuid.uuid4().hex[:10]}.", "partitions": 3, "data_dir": tmp_path / "other"}
    )
    await provision(fresh)
    folder = tmp_path / "logs"
    folder.mkdir()
    other = Stack(fresh, environment(fresh), folder)
    try:
        await other.start("gateway", "stream", "api")
        given = await give(fresh, tmp_path / "archive", PARTS, False, silent)
        assert given.written["alerts"] == len(before.alerts)
        states = 0

        async def learned() -> bool:
            nonlocal states
            run = await actual_run(fresh, clocks=False)
            states = sum(msgspec.msgpack.decode(table)[0][CALLS_AT] for table in run.tables.values())
            return states == SERIES * CALLS

        await eventually(learned, SEEN_S, lambda: f"detect has learned {states} of {SERIES * CALLS} calls")
        found = await records(fresh, fresh.topic("alerts"))
        assert {record.key for record in found} == {key.encode() for key in before.alerts}
        assert all(IMPORTED_HEADER in record.headers for record in found)
        scores = await records(fresh, fresh.topic("scores"))
        assert all(IMPORTED_HEADER in record.headers for record in scores)

        # What is seen live afterwards is judged by what was learned.
        calls = normal_calls(random.Random(5), 25, time.time_ns(), service="service-1", endpoint="endpoint-1")
        await post(other.otlp, [refused(call) for call in calls])

        async def alerted() -> bool:
            news = [
                record
                for record in await records(fresh, fresh.topic("alerts"))
                if IMPORTED_HEADER not in record.headers
            ]
            return any(msgspec.json.decode(record.value)["kind"] == "quality_drop" for record in news)

        await eventually(alerted, SEEN_S, lambda: "no alert on a live incident")
    finally:
        other.stop()
        await remove(fresh)
