"""What people decide about alerts, and marks, through REST: with a hand that answers as detection would, and
with detection itself.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from api.rest.changes.running import Api
from api.views.span_lines import alert
from lumina_api.rest.changes import alerts
from lumina_schemas.alert import Alert, Transition
from lumina_schemas.audit import AuditEntry
from lumina_schemas.control import Command
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS, AUDIT, COMMANDS, SPANS, TYPE_HEADER
from topic_log import everything

pytestmark = pytest.mark.kafka

STATES = {"acknowledge": "acknowledged", "snooze": "snoozed", "resolve": "resolved", "feedback": "open"}


async def fired(settings: Settings, *records: Alert) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for one in records:
            value = msgspec.json.encode(one)
            await producer.send_and_wait(settings.topic(ALERTS), value, key=one.id.encode())


async def commands(settings: Settings) -> list[Command]:
    records = await everything(settings, settings.topic(COMMANDS))
    return [msgspec.json.decode(record.value, type=Command) for record in records]


async def shown(api: Api, alert_id: str) -> None:
    async def there() -> bool:
        return (await api.client.get(f"/api/v1/alerts/{alert_id}")).status_code == 200

    assert await api.views.moves.until(there, 20)


@asynccontextmanager
async def obeyed(settings: Settings, known: Alert) -> AsyncIterator[None]:
    """Writes the alert anew for each command, as detection does."""

    async def obey() -> None:
        now, done = known, 0
        while True:
            for asked in (await commands(settings))[done:]:
                done += 1
                state: Any = STATES[asked.type]
                step = Transition(state, now.updated_at, asked.by, asked.note)
                noise = msgspec.structs.replace(now, rev=now.rev + 1)  # an update that is not the answer
                now = msgspec.structs.replace(
                    noise,
                    rev=noise.rev + 1,
                    state=state,
                    feedback=asked.feedback or now.feedback,
                    history=(*now.history, step),
                )
                await fired(settings, noise, now)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(obey())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_action_answers_with_the_alert_as_it_is_then(api: Api, settings: Settings) -> None:
    known = alert(1)
    await fired(settings, known)
    await shown(api, known.id)
    path = f"/api/v1/alerts/{known.id}"
    async with obeyed(settings, known):
        acked = await api.post(f"{path}/acknowledge", {"note": "rolling back"}, who="shop-writer")
        assert (acked["state"], acked["rev"]) == ("acknowledged", 3)
        assert (acked["history"][-1]["by"], acked["history"][-1]["note"]) == ("shop-writer", "rolling back")
        assert (await api.get(path, at_least=api.position))["rev"] == 3
        unchanged = await api.post(f"{path}/acknowledge", {}, who="shop-writer")
        assert unchanged["rev"] == 3
        assert (await api.post(f"{path}/snooze", {"for": "4h"}))["state"] == "snoozed"
        judged = await api.post(f"{path}/feedback", {"feedback": "noise"})
        assert judged["feedback"] == "noise"
        assert (await api.post(f"{path}/resolve", {"reason": "false"}))["state"] == "resolved"
        for action, body in (("acknowledge", {}), ("resolve", {}), ("snooze", {"for": "1h"})):
            problem = await api.post(f"{path}/{action}", body, 409)
            assert "resolved already" in problem["detail"]
        assert (await api.post(f"{path}/feedback", {"feedback": "noise"}))["feedback"] == "noise"
    written = await commands(settings)
    assert [one.type for one in written] == ["acknowledge", "snooze", "feedback", "resolve"]
    assert {(one.alert_id, one.series_id, one.project) for one in written} == {
        (known.id, known.series_id, "")
    }
    assert written[3].reason == "false"
    for record in await everything(settings, settings.topic(COMMANDS)):
        assert record.partition == partition_of(known.id, settings.partitions)
    entries = [
        msgspec.json.decode(record.value, type=AuditEntry)
        for record in await everything(settings, settings.topic(AUDIT))
    ]
    assert [entry.action for entry in sorted(entries, key=lambda entry: entry.at)] == [
        "alert.acknowledge",
        "alert.snooze",
        "alert.feedback",
        "alert.resolve",
    ]
    assert {(entry.target, entry.project) for entry in entries} == {(known.id, "shop")}


async def test_who_may_not_see_an_alert_cannot_act_on_it(api: Api, settings: Settings) -> None:
    known = alert(1, project="bank")
    await fired(settings, known)
    await shown(api, known.id)
    await api.post(f"/api/v1/alerts/{known.id}/acknowledge", {}, 404, who="shop-writer")
    await api.post(f"/api/v1/alerts/{known.id}/acknowledge", {}, 403, who="reader")
    await api.post("/api/v1/alerts/nobody/acknowledge", {}, 404)
    wrongs: list[tuple[str, dict[str, Any], str]] = [
        ("acknowledge", {"note": "x" * 1001}, "note"),
        ("acknowledge", {"until": "2100-01-01T00:00:00Z"}, "until"),
        ("snooze", {}, "until"),
        ("snooze", {"for": "4h", "until": "2100-01-01T00:00:00Z"}, "until"),
        ("snooze", {"until": "2020-01-01T00:00:00Z"}, "until"),
        ("snooze", {"until": "2100-01-01T00:00:00Z"}, "until"),
        ("snooze", {"for": "soon"}, "for"),
        ("snooze", {"for": "9999w"}, "for"),
        ("snooze", {"for": "0s"}, "for"),
        ("resolve", {"reason": "recovered"}, "reason"),
        ("feedback", {}, "feedback"),
        ("feedback", {"feedback": "meh"}, "feedback"),
    ]
    for action, body, field in wrongs:
        problem = await api.post(f"/api/v1/alerts/{known.id}/{action}", body, 422)
        assert problem["errors"][0]["parameter"] == field, problem
    assert await commands(settings) == []
    assert await everything(settings, settings.topic(AUDIT)) == []


async def test_an_alert_of_a_whole_project_is_named_by_it_and_nobody_answering_is_pending(
    api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "FRESH_WITHIN_S", 0.3)
    known = alert(1, kind="budget")
    await fired(settings, known)
    await shown(api, known.id)
    pending = await api.post(f"/api/v1/alerts/{known.id}/resolve", {}, 202)
    (command,) = await commands(settings)
    assert (command.project, command.reason) == ("shop", None)
    (record,) = await everything(settings, settings.topic(COMMANDS))
    assert (pending["topic"], pending["partition"], pending["offset"]) == (
        settings.topic(COMMANDS),
        record.partition,
        record.offset,
    )
    assert "lumina-position" not in api.headers, "the views cannot wait for a command"


async def test_marks_are_kept_once_and_listed_by_their_time(api: Api, settings: Settings) -> None:
    def mark(number: int, project: str) -> bytes:
        return msgspec.json.encode(
            {
                "v": 1,
                "type": "mark",
                "id": f"m{number}",
                "text": f"release {number}",
                "at": f"2026-01-01T1{number}:00:00Z",
                "by": "ada",
                "project": project,
                "src": ["e", "control", 0, number, 0],
            }
        )

    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for number, project in enumerate(("shop", "bank", "")):
            for partition in range(settings.partitions):
                value = mark(number, project)
                await producer.send_and_wait(
                    settings.topic(SPANS), value, partition=partition, headers=[(TYPE_HEADER, b"mark")]
                )
        done = await producer.send_and_wait(
            settings.topic(SPANS), b"no mark", partition=0, headers=[(TYPE_HEADER, b"mark")]
        )
    last = f"{settings.topic(SPANS)}:0:{done.offset}"

    async def ids(who: str = "", **asked: Any) -> list[str]:
        return [one["id"] for one in (await api.get("/api/v1/marks", who=who, **asked))["items"]]

    assert await ids(at_least=last) == ["m2", "m1", "m0"]
    assert api.views.applied.skipped["record is no mark"] == 1
    assert await ids(project="shop") == ["m0"]
    assert await ids("shop-reader") == ["m2", "m0"]
    assert await ids(since="2026-01-01T11:00:00Z") == ["m2", "m1"]
    assert await ids(until="2026-01-01T11:00:00Z") == ["m0"]
    page = await api.get("/api/v1/marks", limit=2)
    assert await ids(limit=2, cursor=page["next_cursor"]) == ["m0"]
    assert (await api.get("/api/v1/marks/m1"))["text"] == "release 1"
    await api.get("/api/v1/marks/m1", 404, who="shop-reader")
    await api.get("/api/v1/marks/m2", who="shop-reader")
    await api.post("/api/v1/marks", {"text": " "}, 422)
    await api.post("/api/v1/marks", {"text": "x", "at": "2300-01-01T00:00:00Z"}, 422)
    await api.post("/api/v1/marks", {"text": "x"}, 403, who="shop-writer")
    await api.post("/api/v1/marks", {"text": "x", "project": "shop"}, 403, who="shop-reader")
    await api.post("/api/v1/marks", {"text": "x", "project": "shop", "id": "m1"}, 403, who="shop-writer")
