"""The checks: facts in, findings out. Nothing here asks anybody."""

from collections.abc import Iterable

from lumina_api.doctor.cluster import ClusterFacts, TopicState
from lumina_api.doctor.finding import Finding, fail, ok, warn
from lumina_api.doctor.machine import MachineFacts
from lumina_api.provision import wanted
from lumina_api.topic_drift import differences
from lumina_schemas.settings import Settings
from lumina_schemas.topics import Topic

CLOCK_MS = 2_000
"""The log may be so far ahead of this machine: answers take time, clocks of one network differ by less."""

LAG = 50_000
"""Records that a group may be behind before that is worth a word: some ten seconds of a busy worker."""

LEAST_DISK = 2e9
LEAST_MEMORY = 1e9
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def brokers(facts: ClusterFacts, settings: Settings) -> list[Finding]:
    """Whether there are brokers enough for the replicas that are asked for."""
    found = f"{facts.brokers} broker{'s' if facts.brokers != 1 else ''}, cluster {facts.cluster_id or '?'}"
    findings = [ok("broker", found)]
    if settings.replication > facts.brokers:
        findings.append(
            fail(
                "replication",
                f"LUMINA_REPLICATION={settings.replication}, {facts.brokers} brokers",
                "Missing topics cannot be created. Set it to the number of brokers at most, or to -1.",
            )
        )
    single = [state.name for state in facts.topics.values() if state.replicas < 2]
    if single and facts.brokers > 1:
        findings.append(
            warn(
                "replication",
                f"{len(single)} topics have a single replica: {_some(single)}",
                "A broker that is lost takes their records along. Raise their replication factor by Kafka's "
                "own means (kafka-reassign-partitions).",
            )
        )
    for state in facts.topics.values():
        least = int(state.settings.get("min.insync.replicas", "1"))
        if least > state.replicas:
            findings.append(
                fail(
                    "min.insync.replicas",
                    f"{state.name}: min.insync.replicas={least}, {state.replicas} replicas",
                    "No write can be acknowledged: senders get 503. Lower it, or add replicas.",
                )
            )
        elif least == state.replicas > 1:
            findings.append(
                warn(
                    "min.insync.replicas",
                    f"{state.name}: min.insync.replicas={least} of {state.replicas} replicas",
                    "The first broker that restarts stops all writes. One less than the replicas is usual.",
                )
            )
    if behind := [state.name for state in facts.topics.values() if state.behind]:
        findings.append(
            warn(
                "replicas",
                f"replicas of {len(behind)} topics are not in sync: {_some(behind)}",
                "A broker is away or slow. See its log; writes go on while min.insync.replicas holds.",
            )
        )
    return findings


def topics(facts: ClusterFacts, settings: Settings) -> list[Finding]:
    """Whether each declared topic is there, as it is declared."""
    findings: list[Finding] = []
    declared = wanted(settings)
    missing = [settings.topic(topic) for topic in declared if settings.topic(topic) not in facts.topics]
    if missing:
        findings.append(
            fail(
                "topics",
                f"{len(missing)} are missing: {_some(missing)}",
                "`lumina topics --create` makes them; so does `lumina up`.",
            )
        )
    present = [topic for topic in declared if settings.topic(topic) in facts.topics]
    counts = {
        settings.topic(topic): facts.topics[settings.topic(topic)].partitions
        for topic in present
        if topic.partitioned_by == "series"
    }
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in sorted(counts.items()))
        findings.append(
            fail(
                "partitions",
                f"topics of the series differ: {listed}",
                "A series would be where its state is not; workers refuse to start. "
                "`lumina partitions --to N` makes a new generation with equal ones.",
            )
        )
    for topic in present:
        findings += _drift(topic, facts.topics[settings.topic(topic)], settings)
    findings += _retention(facts, settings, present)
    return findings or [ok("topics", f"{len(present)} topics, as declared")]


def _retention(facts: ClusterFacts, settings: Settings, present: list[Topic]) -> list[Finding]:
    """Where Kafka keeps records shorter or longer than LUMINA_RETENTION_DAYS wants."""
    found = {name: state.settings for name, state in facts.topics.items()}
    return [
        warn(
            "retention",
            f"{one.topic}: {one.setting}={one.found}, for LUMINA_RETENTION_DAYS={settings.retention_days:g} "
            f"it should be {one.wanted}",
            f"kafka-configs --alter --entity-type topics --entity-name {one.topic} --add-config "
            f"{one.setting}={one.wanted}; or start with LUMINA_MANAGE_TOPICS=true. Views can be rebuilt "
            "from what topics keep.",
        )
        for one in differences(settings, found, present)
    ]


def _drift(topic: Topic, state: TopicState, settings: Settings) -> list[Finding]:
    """How a topic's settings differ from the declared ones, where that matters."""
    findings: list[Finding] = []
    for name, should in topic.settings(settings.max_message_bytes).items():
        found = state.settings.get(name)
        if found is None or found == should or name == "retention.ms":  # see lumina_api.topic_drift
            continue
        matters = name in ("cleanup.policy", "max.message.bytes", "message.timestamp.type")
        findings.append(
            (fail if matters else warn)(
                "topic settings",
                f"{state.name}: {name}={found}, declared is {should}",
                f"kafka-configs --alter --entity-type topics --entity-name {state.name} "
                f"--add-config {name}={should}. {_WHY.get(name, '')}".strip(),
            )
        )
    return findings


_WHY = {
    "cleanup.policy": "With another policy records go that are needed, or stay for ever.",
    "max.message.bytes": "Larger batches than the topic takes are refused.",
    "message.timestamp.type": "Without LogAppendTime a sender's clock decides when records are deleted.",
}


def lags(facts: ClusterFacts) -> list[Finding]:
    """Whether the workers keep up."""
    late = [lag for lag in facts.lags if lag.lag > LAG]
    if not late:
        return [ok("lag", f"{len({lag.group for lag in facts.lags})} consumer groups keep up")]
    return [
        warn(
            "lag",
            f"{lag.group} is {lag.lag:,} records behind on {lag.topic}",
            "Alerts come late by that. See that its workers run (`lumina status`, /ready); start more of "
            "them, up to the partitions of the topic.",
        )
        for lag in late
    ]


def clock(facts: ClusterFacts) -> Finding:
    """Whether this machine's clock and the brokers' go together."""
    if facts.newest_ms is None:
        return ok("clock", "nothing on lumina.spans to compare with")
    ahead = facts.newest_ms - facts.now_ms
    if ahead > CLOCK_MS:
        return fail(
            "clock",
            f"the brokers' clock is {ahead / 1000:.1f} s ahead of this machine's",
            "`since` of REST, limits of the day, ends of snoozes are wrong by that. Set the clocks by NTP.",
        )
    return ok("clock", f"the newest record of lumina.spans is {max(0, -ahead) / 1000:.1f} s old")


def machine(facts: MachineFacts, settings: Settings) -> list[Finding]:
    """Whether disk and memory suffice."""
    findings = [ok("disk", f"{facts.free_bytes / 1e9:.1f} GB free at {facts.folder}")]
    if facts.free_bytes < LEAST_DISK:
        findings = [
            fail(
                "disk",
                f"{facts.free_bytes / 1e9:.1f} GB free at {facts.folder}",
                "The views stop when it is full (nothing is lost on Kafka). Make room, shorten "
                "LUMINA_RETENTION_DAYS, or move LUMINA_DATA_DIR.",
            )
        ]
    if facts.available_memory < LEAST_MEMORY:
        findings.append(
            warn(
                "memory",
                f"{facts.available_memory / 1e9:.1f} GB available",
                "An api takes up to 1 GB, a worker 0.3 GB and more with many series.",
            )
        )
    else:
        findings.append(ok("memory", f"{facts.available_memory / 1e9:.1f} GB available"))
    return findings


def access(settings: Settings, keys: int | None) -> list[Finding]:
    """Whether who may do what is as one would want it. `keys`: how many there are; None: not known."""
    open_to = settings.host not in LOOPBACK
    if not settings.auth_required:
        if open_to:
            return [
                warn(
                    "keys",
                    f"no key is required and servers bind {settings.host}",
                    "Whoever reaches them reads prompts and changes rules. Set AUTH_REQUIRED=true and make "
                    "keys with `lumina keys create`.",
                )
            ]
        return [ok("keys", "no key is required; servers bind loopback only")]
    if not keys and not settings.admin_key:
        return [
            fail(
                "keys",
                "keys are required and there is none",
                "Nobody can send or read. `lumina keys create --scope admin` makes the first one.",
            )
        ]
    return [ok("keys", f"keys are required; there are {keys or 0}")]


def _some(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")
