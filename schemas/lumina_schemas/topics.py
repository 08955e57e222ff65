"""Every topic Lumina reads or writes: its settings, its one writer, its readers. The only declaration."""

from dataclasses import dataclass, field
from typing import Literal

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

PartitionedBy = Literal["any", "series", "project", "key"]

STREAM = "stream"
"""The app that keeps a state for each series; its id is its consumer group."""

ACTOR = "actor"
"""The app that keeps a state for each project, and talks to the world."""


def numbered(name: str, generation: int) -> str:
    """A name as a generation has it: the first one has no number."""
    return name if generation == 1 else f"{name}-{generation}"


@dataclass(frozen=True)
class Topic:
    """A topic's declaration.

    `name` is without prefix. Topics by series share one partition count, fixed for a generation, and so do
    those by project, for ever: start-up refuses any inequality. `config` holds Kafka topic settings beside
    cleanup and retention.
    """

    name: str
    purpose: str
    partitioned_by: PartitionedBy
    writer: str
    readers: tuple[str, ...]
    cleanup: Literal["delete", "compact", "compact,delete"] = "delete"
    retention_ms: int | None = 7 * DAY_MS
    config: dict[str, str] = field(default_factory=dict)
    optional: bool = False
    """Created only when its setting asks for it."""
    changelog_of: str = ""
    """The app whose table it keeps: Faust makes the name from the app's id and the table."""

    def name_in(self, generation: int) -> str:
        """Its name in a generation of the topics. Those that hold the series carry the number from the second
        on; all others are the same in every generation.
        """
        if self.partitioned_by != "series":
            return self.name
        head = self.changelog_of or self.name
        return numbered(head, generation) + self.name.removeprefix(head)

    def settings(self, max_message_bytes: int) -> dict[str, str]:
        """Kafka's topic settings, all explicit, so that a cluster's defaults change nothing."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(max_message_bytes),
        }
        if "delete" in self.cleanup and self.retention_ms is not None:
            settings["retention.ms"] = str(self.retention_ms)
        return settings | self.config


# A young compacted topic is only ever one active segment: without small segments compaction never
# starts, and recovery reads every write ever made (Kafka's default segment is 7 days or 1 GiB).
COMPACTED = {
    "segment.ms": str(10 * 60 * 1000),
    "segment.bytes": str(64 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": str(HOUR_MS),
}

# Time of arrival, set by the broker: a sender's clock is data, never the log's time. Records stamped far
# ahead are refused by Kafka, records stamped far back may be deleted at once.
ARRIVAL = {"message.timestamp.type": "LogAppendTime"}

OTLP = Topic(
    "otlp",
    "ExportTraceServiceRequest, protobuf, as landed",
    partitioned_by="any",
    writer="gateway, or an OTel Collector's kafka exporter",
    readers=("normalise",),
    config=ARRIVAL,
)
OTLP_LOGS = Topic(
    "otlp-logs",
    "ExportLogsServiceRequest, protobuf, as landed",
    partitioned_by="any",
    writer="gateway, or an OTel Collector's kafka exporter",
    readers=("normalise",),
    config=ARRIVAL,
)
SPANS = Topic(
    "spans",
    "normalised spans, NDJSON, and control messages: the log of every series",
    partitioned_by="series",
    writer="normalise",
    readers=("detect", "views"),
    config=ARRIVAL,
)
CALLS = Topic(
    "calls",
    "one priced call a message, without content, for ksqlDB, Flink and Connect",
    partitioned_by="key",
    writer="normalise",
    readers=("anyone",),
    optional=True,
)
# Longer than a span can be there (see CORRECTIONS): views that are built anew find the score of each.
SCORES = Topic(
    "scores",
    "quality of each judged answer, NDJSON: score, tier and reason",
    partitioned_by="any",
    writer="detect",
    readers=("views", "anyone"),
    retention_ms=14 * DAY_MS,
    config=ARRIVAL,
)
JUDGEMENTS = Topic(
    "judgements",
    "what is to be judged",
    partitioned_by="key",
    writer="detect",
    readers=("judge",),
)
ALERTS = Topic(
    "alerts",
    "the alert's whole current state, key = alert id",
    partitioned_by="key",
    writer="detect; projects (kinds budget, trace_limit)",
    readers=("views", "notify", "anyone"),
    cleanup="compact",
    config=COMPACTED,
)
COMMANDS = Topic(
    "commands",
    "public door for acknowledge, snooze, resolve, mark, replay",
    partitioned_by="key",
    writer="api, or anyone",
    readers=("routers",),
)
SETTINGS = Topic(
    "settings",
    "keys, rules, budgets, prices, projects, erasures; key = kind/id, tombstone = removed",
    partitioned_by="key",
    writer="api, or anyone",
    readers=("routers", "normalise", "gateway", "views"),
    cleanup="compact",
    config=COMPACTED,
)
# Kept for longer than a span can be (7 days, and up to 7 more until Kafka closes its segment): views that are
# built anew must find the correction of every span that they find. Of each call the last one is enough.
CORRECTIONS = Topic(
    "corrections",
    "what a call costs by other prices, key = project/trace id/span id",
    partitioned_by="key",
    writer="lumina reprice",
    readers=("views",),
    cleanup="compact,delete",
    retention_ms=30 * DAY_MS,
    config=ARRIVAL | COMPACTED,
)
# A place that nobody used for a week is free again (see `lumina_streams.core.span.registry`).
SERIES = Topic(
    "series",
    "the series that have a place in their project (LUMINA_MAX_SERIES), key = series id",
    partitioned_by="key",
    writer="normalise",
    readers=("normalise", "anyone"),
    cleanup="compact,delete",
    retention_ms=14 * DAY_MS,
    config=ARRIVAL | COMPACTED,
)
# The sum of a month has to be rebuilt from it where its agent's state is lost.
PROJECTS = Topic(
    "projects",
    "the log of every project: what calls cost, budgets, traces of the day, commands; key = project",
    partitioned_by="project",
    writer="detect, gateway, routers, projects (ticks)",
    readers=("projects",),
    retention_ms=35 * DAY_MS,
    config=ARRIVAL,
)
USAGE = Topic(
    "usage",
    "which traces each gateway took today (fingerprints), and when keys were last used; key = project",
    partitioned_by="key",
    writer="gateway, api",
    readers=("gateway", "api", "`lumina usage`"),
    retention_ms=2 * DAY_MS,
    config=ARRIVAL,
)
AUDIT = Topic(
    "audit",
    "who changed what through REST or the command line, key = project",
    partitioned_by="key",
    writer="api, `lumina`",
    readers=("views", "anyone"),
    retention_ms=90 * DAY_MS,
    config=ARRIVAL,
)
REPLAYS = Topic(
    "replays",
    "replay jobs and results",
    partitioned_by="key",
    writer="replay",
    readers=("views",),
    cleanup="compact",
    config=COMPACTED,
)
DLQ = Topic(
    "dlq",
    "what could not be processed: original bytes, headers say where from and why",
    partitioned_by="key",
    writer="normalise, detect",
    readers=("operators",),
    retention_ms=30 * DAY_MS,
)
DETECT_CHANGELOG = Topic(
    "stream-detect-changelog",
    "Faust's changelog of the detect table: h|series hot, c|series cold state, p|N clock, r|N rules, marks",
    partitioned_by="series",
    writer="detect",
    readers=("detect", "`lumina baselines`"),
    cleanup="compact",
    config=COMPACTED,
    changelog_of=STREAM,
)
PROJECTS_CHANGELOG = Topic(
    "actor-projects-changelog",
    "Faust's changelog of the projects table: p|project what it has spent, its budgets and their alerts",
    partitioned_by="project",
    writer="projects",
    readers=("projects",),
    cleanup="compact",
    config=COMPACTED,
    changelog_of=ACTOR,
)

TOPICS: tuple[Topic, ...] = (
    OTLP,
    OTLP_LOGS,
    SPANS,
    CALLS,
    SCORES,
    JUDGEMENTS,
    ALERTS,
    COMMANDS,
    SETTINGS,
    CORRECTIONS,
    SERIES,
    PROJECTS,
    USAGE,
    AUDIT,
    REPLAYS,
    DLQ,
    DETECT_CHANGELOG,
    PROJECTS_CHANGELOG,
)

DECLARED = {topic.name: topic for topic in TOPICS}

TYPE_HEADER = "lumina-type"
"""Header of a control message in `lumina.spans` (score, command, rules, mark, tick); span batches lack it."""

COPY_HEADER = "lumina-copy-of"
"""Header of a span batch that `lumina partitions` copied and the old workers had not committed: where it lay,
a `Place`. One for each generation that it came through."""

PROJECT_HEADER = "lumina-project"
"""Header of a landed OTLP message: the project that the gateway authenticated or was told."""

IMPORTED_HEADER = "lumina-imported"
"""Header of what `lumina import` wrote: a digest of the record. History: detect learns from such spans and
raises no
alert about them, and whoever tells people of alerts passes such alerts over."""
