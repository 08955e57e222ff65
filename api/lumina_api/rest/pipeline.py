"""`/api/v1/pipeline`: how far spans are on their way through Kafka, and the dead letters beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta, Struct
from pydantic import Field

from lumina_api.dead_letters import DeadLetter, all_letters, chosen, dlq_facts, planned, redrive
from lumina_api.log import MissingTopic
from lumina_api.pipeline import Pipeline, PipelineAway
from lumina_api.pipeline.sample import Sample, lag
from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, Object, documented, record_of, wrong
from lumina_api.rest.changes.change import UNTYPED, Change
from lumina_api.rest.doors import AnyViews, Caller, Now, bare, needs
from lumina_api.rest.models import Answer
from lumina_api.rest.moment import moment, rfc3339
from lumina_api.rest.problem import REFUSED, Problem
from lumina_api.views import Views
from lumina_api.views.reader import TOPICS
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DECLARED, DLQ

NS_OF_MS = 1_000_000
TOLD = 100
"""Letters that a redrive names in the audit log."""

THERE_S = 1.5
"""Whoever asks hears within 2 s that Kafka is away."""

REDRIVE_S = 120.0
"""Some thousand letters a second are read, and several hundred land."""

VIEWS = "views"
"""The reader that is this process; others are consumer groups."""


class ReaderItem(Answer):
    """One that reads a partition."""

    name: str = Field(description="A consumer group, or `views`: those of this process")
    position: int = Field(description="The offset that it reads next")
    lag: int = Field(description="Records that it has still to read")


class PartitionItem(Answer):
    """One partition of a topic."""

    partition: int
    begin_offset: int
    end_offset: int
    records_per_s: float | None = Field(description="In the last minute; null: not known yet")
    readers: list[ReaderItem]


class TopicItem(Answer):
    """One topic under the prefix, or a landing topic."""

    topic: str
    purpose: str | None = Field(description="Null for topics of other generations, and your own")
    records: int = Field(description="By its offsets; of a compacted topic with the gaps")
    records_per_s: float | None
    partitions: list[PartitionItem]


class GroupItem(Answer):
    """A consumer group of Lumina's."""

    name: str
    members: int
    lag: int


class TableItem(Answer):
    """A table of the workers, as far as Kafka knows it: its changelog, which a worker without it reads."""

    app: str = Field(description="The workers that keep it: stream or actor")
    topic: str
    records: int = Field(description="By its offsets, which count what compaction took out")


class LetterItem(Answer):
    """A dead letter; its body is never shown here."""

    place: str = Field(description="partition:offset on the dlq")
    at: str
    stage: str
    reason: str
    source: str
    project: str
    spans: int | None


class PipelineItem(Answer):
    """All of it, some seconds old."""

    at: str
    topics: list[TopicItem]
    groups: list[GroupItem]
    tables: list[TableItem]
    dead_letters: int
    newest_letters: list[LetterItem]


class RedriveItem(Answer):
    """What a redrive comes to."""

    dry_run: bool
    landed: list[str] = Field(description="Places of the letters that land (dry run: would land) again")
    spans: int = Field(description="Spans in those that land, where their headers say how many")
    copies: list[str] = Field(description="Copies of others, which stand for them")
    remains: list[str] = Field(description="Re-driven before: what is left of them lands in their place")
    gone: list[str] = Field(description="Those whose retention has ended meanwhile")
    cannot: list[str] = Field(description="Those that cannot be re-driven, each with the reason")


Place = Annotated[str, Meta(pattern="^[0-9]{1,6}:[0-9]{1,18}$")]


class Redrive(Struct, frozen=True, kw_only=True):
    """Which letters, and whether in earnest."""

    places: Annotated[tuple[Place, ...], Meta(max_length=1000)] = ()
    stage: Annotated[str, Meta(max_length=100)] = ""
    reason: Annotated[str, Meta(max_length=500)] = ""  # a part of it
    since: Annotated[str, Meta(max_length=50)] = ""  # 15m, 24h, 7d or RFC 3339
    all: bool = False  # needed where neither places nor filters are given
    dry_run: bool = False


EXAMPLES: dict[str, Object] = {
    "two letters": {"places": ["2:17", "0:4"]},
    "what would be done": {"reason": "internal error", "since": "24h", "dry_run": True},
}

router = APIRouter(prefix="/api/v1/pipeline", tags=["pipeline"], dependencies=[Depends(bare)])


def _whole(caller: Caller) -> None:
    """Kafka is of the whole installation."""
    if caller.project:
        raise Problem(
            403, f"The pipeline is of all projects; the key `{caller.name}` is of project {caller.project}."
        )


@router.get(
    "",
    response_model=PipelineItem,
    dependencies=[Depends(needs("read")), Depends(_whole)],
    responses=REFUSED,
)
async def pipeline(request: Request, views: AnyViews) -> Response:
    """Topics with end offsets, rates and lag of each reader, Lumina's consumer groups, the dead letters."""
    watch: Pipeline | None = getattr(request.app.state, "pipeline", None)
    try:
        if watch is None:
            raise PipelineAway("This process does not look at Kafka.")
        sample = await watch.latest()
    except PipelineAway as error:
        raise Problem(503, str(error), headers={"Retry-After": "5"}) from error
    return answer(_shown(sample, watch, views))


@router.post(
    "/dlq/redrive",
    response_model=RedriveItem,
    dependencies=[Depends(needs("admin")), Depends(_whole)],
    responses=REFUSED | UNTYPED,
    openapi_extra=documented(Redrive, EXAMPLES),
)
async def redrive_letters(change: Change, body: Body, now: Now) -> Response:
    """Send dead letters through the stream again, as `lumina dlq redrive` does: each span counts once."""
    asked = record_of(body, Redrive)
    if sum((bool(asked.places), bool(asked.stage or asked.reason or asked.since), asked.all)) != 1:
        raise wrong("places", "say which: `places`, or filters (`stage`, `reason`, `since`), or `all`")
    since_ms = _since_ms(asked, now)
    settings = change.views.settings
    async with _kafka(settings):
        async with asyncio.timeout(THERE_S):
            epoch = (await dlq_facts(settings)).epoch
        letters = await all_letters(settings)
        by_name = {letter.name: letter for letter in letters}
        if unknown := [place for place in asked.places if place not in by_name]:
            raise wrong("places", f"there is no dead letter {', '.join(unknown[:10])}")
        wanted = [by_name[place] for place in asked.places]
        plan = planned(letters, wanted or chosen(letters, asked.stage, asked.reason, since_ms), epoch)
        landed = plan.send
        if plan.send and not asked.dry_run:
            told: dict[str, Any] = {
                "letters": [letter.name for letter in plan.send[:TOLD]],
                "count": len(plan.send),
            }
            await change.tell("dlq.redrive", "dlq", "", told)
            landed = await redrive(settings, plan.send)
    there = {letter.place for letter in landed}
    return answer(
        {
            "dry_run": asked.dry_run,
            "landed": [letter.name for letter in landed],
            "spans": sum(letter.spans or 0 for letter in landed),
            "copies": [letter.name for letter, _ in plan.copies],
            "remains": [f"{letter.name}: {left.name}" for letter, left in plan.remains],
            "gone": [letter.name for letter in plan.send if letter.place not in there],
            "cannot": [f"{letter.name}: {why}" for letter, why in plan.cannot],
        }
    )


def _since_ms(asked: Redrive, now_ns: int) -> int | None:
    if not asked.since:
        return None
    try:
        return moment(asked.since).resolve(now_ns) // NS_OF_MS
    except ValueError as error:
        raise wrong("since", str(error)) from error


@asynccontextmanager
async def _kafka(settings: Settings) -> AsyncIterator[None]:
    """Raises Problem 503 where Kafka does not let it be done, or not in time."""
    try:
        async with asyncio.timeout(REDRIVE_S):
            yield
    except (MissingTopic, KafkaSettingsError) as error:
        raise Problem(503, str(error), headers={"Retry-After": "5"}) from error
    except (KafkaError, OSError) as error:  # TimeoutError is an OSError
        servers = client_options(settings)["bootstrap_servers"]
        why = "does not answer" if isinstance(error, TimeoutError) else f"refuses ({type(error).__name__})"
        raise Problem(
            503,
            f"Kafka at {servers} {why}: some letters may have landed, or none. Send it again when it is "
            "back: each span counts once.",
            headers={"Retry-After": "5"},
        ) from error


def _shown(sample: Sample, watch: Pipeline, views: Views) -> dict[str, object]:
    settings = views.settings
    own = {settings.topic(topic): topic for topic in DECLARED.values()}
    positions = {
        (settings.topic(name), each.partition): views.next_offset(name, each.partition)
        for name in TOPICS
        for each in sample.ends
        if each.topic == settings.topic(name)
    }
    topics: dict[str, list[dict[str, object]]] = {}
    for partition in sorted(sample.ends):
        topics.setdefault(partition.topic, []).append(_partition(partition, sample, watch, positions))
    return {
        "at": rfc3339(sample.at_ns),
        "topics": [
            {
                "topic": name,
                "purpose": own[name].purpose if name in own else None,
                "records": _records(sample, name),
                "records_per_s": _sum(one["records_per_s"] for one in partitions),
                "partitions": partitions,
            }
            for name, partitions in topics.items()
        ],
        "groups": [
            {
                "name": group.name,
                "members": group.members,
                "lag": sum(
                    lag(position, sample.begins[each], sample.ends[each])
                    for each, position in group.committed.items()
                    if each in sample.ends
                ),
            }
            for group in sample.groups
        ],
        "tables": [
            {"app": topic.changelog_of, "topic": name, "records": _records(sample, name)}
            for name, topic in own.items()
            if topic.changelog_of and name in topics
        ],
        "dead_letters": _records(sample, settings.topic(DLQ)),
        "newest_letters": [_letter(letter) for letter in sample.letters],
    }


def _partition(
    partition: TopicPartition, sample: Sample, watch: Pipeline, positions: dict[tuple[str, int], int]
) -> dict[str, object]:
    begin, end = sample.begins[partition], sample.ends[partition]
    readers = [
        (group.name, group.committed[partition]) for group in sample.groups if partition in group.committed
    ]
    if (position := positions.get((partition.topic, partition.partition))) is not None:
        readers.append((VIEWS, position))
    return {
        "partition": partition.partition,
        "begin_offset": begin,
        "end_offset": end,
        "records_per_s": watch.history.rate(partition),
        "readers": [
            {"name": name, "position": position, "lag": lag(position, begin, end)}
            for name, position in readers
        ],
    }


def _records(sample: Sample, topic: str) -> int:
    return sum(sample.ends[each] - sample.begins[each] for each in sample.ends if each.topic == topic)


def _letter(letter: DeadLetter) -> dict[str, object]:
    return {
        "place": letter.name,
        "at": rfc3339(letter.at_ms * NS_OF_MS),
        "stage": letter.stage,
        "reason": letter.reason,
        "source": letter.source,
        "project": letter.project,
        "spans": letter.spans,
    }


def _sum(rates: Any) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None
