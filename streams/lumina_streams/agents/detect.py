"""detect: the log of every series in, alerts out; the tables keep what each series is used to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import TypeVar

import msgspec
import structlog
from faust.types import EventT, StreamT

from lumina_schemas.alert import Alert
from lumina_schemas.control import COMMAND, MARK, TICK, SeriesCommand, SeriesMark, Tick, problem_of
from lumina_schemas.dead_letter import Redriven, Stage
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.project import SPEND
from lumina_schemas.rule import RULES, RuleChange
from lumina_schemas.score import SCORE_VERSION, Score
from lumina_schemas.settings import Settings
from lumina_schemas.source import Place, Source
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import (
    ALERTS,
    COPY_HEADER,
    DETECT_CHANGELOG,
    DLQ,
    IMPORTED_HEADER,
    PROJECTS,
    SCORES,
    SPANS,
    TYPE_HEADER,
)
from lumina_streams.agents import dlq
from lumina_streams.agents.doors import UNREADABLE
from lumina_streams.agents.outbox import Outbox
from lumina_streams.agents.packing import packed
from lumina_streams.agents.shelf import Shelf
from lumina_streams.app import WorkerApp
from lumina_streams.core.project.spending import Spending
from lumina_streams.core.quality.score import Verdict
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.command import command
from lumina_streams.core.series.keys import HOT, clock_key, cold_key, hot_key, rules_key
from lumina_streams.core.series.partition import Partition
from lumina_streams.core.series.quiet import advance
from lumina_streams.core.series.rulebook import RuleBookFullError
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step
from lumina_streams.core.span.lines import MESSAGE_OVERHEAD
from lumina_streams.metrics import Metrics
from lumina_streams.transport.failure import fatal
from lumina_streams.transport.run import runs
from lumina_streams.transport.table import SeriesTable

log = structlog.get_logger()

QUALITY_DIGITS = 4

encode = msgspec.json.Encoder().encode
_decode_tick = msgspec.json.Decoder(Tick).decode
_decode_command = msgspec.json.Decoder(SeriesCommand).decode
_decode_mark = msgspec.json.Decoder(SeriesMark).decode
_decode_change = msgspec.json.Decoder(RuleChange).decode
_decode_place = msgspec.json.Decoder(Place).decode


Control = TypeVar("Control", Tick, RuleChange, SeriesMark)

Action = Callable[[SeriesState], list[Alert]]
"""What a control message does to a series."""

Applied = tuple[Call, int, Rules]
"""A call that was applied, and what held at its place in the log: the clock, the rules."""


@dataclass
class Changed:
    """A series that a run has changed, and by what: should a later action fail, the others are done again."""

    partition: Partition
    state: SeriesState
    done: list[Applied | Action] = field(default_factory=list)


class Run:
    """What one run has changed so far, and what it sends."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.scores: list[bytes] = []
        """Lines of `lumina.scores`."""
        self.spending = Spending()
        self.changed: dict[str, Changed] = {}
        self.detected_at = datetime.now(UTC).isoformat(timespec="milliseconds")


class Detector:
    """The agent's state: the table, its partitions, and its most recently used series unpacked."""

    def __init__(self, app: WorkerApp, table: SeriesTable, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.table = table
        self.settings = settings
        self.metrics = metrics
        self.defaults = Rules.from_settings(settings)
        self.alerts_topic = settings.topic(ALERTS)
        self.scores_topic = settings.topic(SCORES)
        self.values_limit = settings.max_message_bytes - MESSAGE_OVERHEAD
        self.projects_topic = settings.topic(PROJECTS)
        self.dlq_topic = settings.topic(DLQ)
        self.spans_topic = settings.topic(SPANS)
        self._partitions: dict[int, Partition] = {}
        self._shelf = Shelf(table.read, table.stored)

    async def process(self, events: list[EventT[bytes]]) -> None:
        """Apply what has arrived. Changes of the rules and marks are runs of their own: see Partition."""
        for run in runs_of(events):
            await self._process(run)

    async def _process(self, events: list[EventT[bytes]]) -> None:
        """Apply one run: alerts, scores and spend first, acknowledged, then one write per changed series.

        What calls cost must be told before a state takes their positions: of those no rerun tells again.
        """
        run = Run()
        if gained := self.table.take_gained():
            await self._take_over(gained, run)
        for event in events:
            self._apply(event, run)
        if run.scores:
            self.metrics.add("scores", len(run.scores))
            for value in packed(run.scores, self.values_limit):
                run.outbox.add(self.scores_topic, value)
        epochs = {number: partition.epoch for number, partition in self._partitions.items()}
        for project, value in run.spending.messages(epochs, self.values_limit):
            run.outbox.add(self.projects_topic, value, key=project.encode(), headers=[(TYPE_HEADER, SPEND)])
        await run.outbox.deliver(self.app.producer)
        for series_id, changed in run.changed.items():
            partition, state = changed.partition, changed.state
            cold = cold_key(series_id, state.cold_version)
            # What hot names must be of our own term: a former owner may still overwrite its slot.
            if state.cold_dirty or (state.cold_version and not self.table.is_ours(partition.number, cold)):
                await self.table.write(partition.number, cold, state.pack_cold())
            await self.table.write(partition.number, hot_key(series_id), state.pack_hot())
            self._shelf.put(series_id, state)
            partition.expect(state)
        for partition in self._partitions.values():
            for key, value in partition.take_changes():  # last: see Partition
                await self.table.write(partition.number, key, value)
        await self.table.settle()

    async def _take_over(self, numbers: list[int], run: Run) -> None:
        """Begin with partitions that came to this worker: their clocks, rules, deadlines and alerts."""
        facts = await describe(client_options(self.settings), [self.spans_topic])
        epoch = facts[self.spans_topic].epoch
        for number in numbers:
            clock, rules = self.table.read(clock_key(number)), self.table.read(rules_key(number))
            partition = Partition(number, epoch, self.defaults, clock, rules)
            self._partitions[number] = partition
            for key in self.table.store.keys_of(number):
                if key.startswith(HOT):
                    state = self._shelf.take(key.removeprefix(HOT).decode())
                    assert state is not None
                    self._publish(partition.adopt(state), run)

    def _apply(self, event: EventT[bytes], run: Run) -> None:
        partition = self._partitions[event.message.partition]
        kind = control_type(event)
        if kind is None:
            if event.message.headers:
                self._note_copy(event, run)
            for call, line in self._calls(event, run):
                self._call(event, call, line, partition, run)
        elif kind == TICK:
            self._tick(event, partition, run)
        elif kind == COMMAND:
            self._command(event, partition, run)
        elif kind == RULES:
            self._change(event, partition, run)
        elif kind == MARK:
            self._mark(event, partition, run)
        else:
            self.metrics.add("control_messages_skipped")
            log.debug("skipped a control message of a type that this version does not know", type=kind)

    def _note_copy(self, event: EventT[bytes], run: Run) -> None:
        """A batch that another generation's workers may have counted: say where it lay there."""
        message = event.message
        places = tuple(_decode_place(bytes(value)) for name, value in message.headers if name == COPY_HEADER)
        if places:
            run.spending.copied(message.partition, message.offset, places)

    def _call(self, event: EventT[bytes], call: Call, line: bytes, partition: Partition, run: Run) -> None:
        """Let the core look at one call; alerts, its score and failures go to the outbox."""
        changed = self._changing(call.series_id, partition, run)
        if changed is None:
            fresh = SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
            changed = Changed(partition, fresh)
        if not changed.state.positions.advance(call.src):
            self.metrics.add("duplicate_spans")
            return
        run.changed[call.series_id] = changed
        state, clock_ms = changed.state, partition.clock.ms
        rules = partition.rules_for(state)
        if is_imported(event):
            rules = rules.of_the_past()
        try:
            alerts = step(state, call, rules, run.detected_at, clock_ms)
        except Exception as error:
            # A bug of ours must not stop the partition, nor show the prompt that met it.
            log.error(
                "detect failed on a call; it is kept in the dlq",
                span_id=call.span_id,
                error=type(error).__name__,
            )
            self._reject(event, line, f"internal error: {type(error).__name__}", run, call=call)
            self._undo(changed, call, run)
            return
        changed.done.append((call, clock_ms, rules))
        if state.costs and not rules.imported:  # a budget is for what is spent here and now
            run.spending.count(partition.number, event.message.offset, call)
        self._publish(alerts, run)
        if state.verdict is not None and not rules.imported:  # its score is imported too
            run.scores.append(encode(score_of(call, state.verdict)))

    def _undo(self, changed: Changed, call: Call, run: Run) -> None:
        """Make the series anew as it is without a call that failed, but for its position.

        A step that raises may have come halfway: what it left would be in the baseline, and the call's id
        among those seen, so that it could never be re-driven.
        """
        self._shelf.drop(call.series_id)
        state = self._shelf.take(call.series_id)
        if state is None:
            state = SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
        changed.done.append(_positioned(call.src))
        for action in changed.done:  # their alerts and scores are with the run already
            if isinstance(action, tuple):
                applied, clock_ms, rules = action
                state.positions.advance(applied.src)
                step(state, applied, rules, run.detected_at, clock_ms)
            else:
                action(state)
        changed.state = state

    def _read(
        self, event: EventT[bytes], decode: Callable[[bytes], Control], what: str, run: Run
    ) -> Control | None:
        """A control message; None where it cannot be read: the dlq keeps it."""
        value = event.message.value or b""
        try:
            return decode(value)
        except UNREADABLE as error:
            self._reject(event, value, f"not {what}: {error}", run, stage="control")
            return None

    def _tick(self, event: EventT[bytes], partition: Partition, run: Run) -> None:
        """Let time pass for the series of a partition."""
        tick = self._read(event, _decode_tick, "a tick", run)
        if tick is None:
            return
        for known in run.changed.values():
            if known.partition is partition:
                partition.expect(known.state)
        self._advance(partition.take(tick, event.message.offset), partition, run)
        self.metrics.add("ticks")

    def _change(self, event: EventT[bytes], partition: Partition, run: Run) -> None:
        """Take a change of the rules into the partition's book."""
        change = self._read(event, _decode_change, "a change of a rule", run)
        if change is None:
            return

        def latest(series_id: str) -> SeriesState | None:
            changed = self._changing(series_id, partition, run)
            return None if changed is None else changed.state

        try:
            due = partition.change_rules(change, latest)
        except RuleBookFullError as error:
            self._reject(event, event.message.value or b"", str(error), run, stage="control")
            return
        if due is None:
            self.metrics.add("duplicate_rules")
            return
        self._advance(due, partition, run)
        self.metrics.add("rules")

    def _mark(self, event: EventT[bytes], partition: Partition, run: Run) -> None:
        """Take a mark into the partition's book."""
        mark = self._read(event, _decode_mark, "a mark", run)
        if mark is None:
            return
        self.metrics.add("marks" if partition.take_mark(mark) else "duplicate_marks")

    def _advance(self, due: list[str], partition: Partition, run: Run) -> None:
        """Let the partition's time come to the series that are due."""
        for series_id in due:
            if changed := self._changing(series_id, partition, run):
                run.changed[series_id] = changed
                rules = partition.rules_for(changed.state)
                action = partial(
                    advance, clock_ms=partition.clock.ms, rules=rules, detected_at=run.detected_at
                )
                self._publish(action(changed.state), run)
                changed.done.append(action)

    def _command(self, event: EventT[bytes], partition: Partition, run: Run) -> None:
        """Obey a command on an alert, or send it to where its series is."""
        message = event.message
        value = message.value or b""
        try:
            asked = _decode_command(value)
            problem = problem_of(asked)
        except UNREADABLE as error:
            problem = str(error)
        if problem:
            self._reject(event, value, f"not a command: {problem}", run, stage="control")
            return
        src = asked.src or Source(partition.epoch, "control", message.partition, message.offset, 0)
        home = partition_of(asked.series_id, self.settings.partitions)
        if home != partition.number:
            # Written by somebody whose partitioner is not ours. Applied here, it would find no series.
            forwarded = msgspec.structs.replace(asked, src=src)
            run.outbox.add(
                self.spans_topic, encode(forwarded), partition=home, headers=[(TYPE_HEADER, COMMAND)]
            )
            self.metrics.add("control_messages_forwarded")
            return
        changed = self._changing(asked.series_id, partition, run)
        if changed is None:
            self.metrics.add("commands_without_series")
            log.warning("a command names a series that has no calls", series_id=asked.series_id)
            return
        if not changed.state.positions.advance(src):
            self.metrics.add("duplicate_commands")
            return
        run.changed[asked.series_id] = changed
        clock_ms, rules = partition.clock.ms, partition.rules_for(changed.state)

        def apply(state: SeriesState) -> list[Alert]:
            return command(state, asked, rules, run.detected_at, clock_ms)

        alerts = apply(changed.state)
        changed.done.append(_positioned(src, apply))
        self.metrics.add("commands" if alerts else "commands_without_effect")
        self._publish(alerts, run)

    def _publish(self, alerts: list[Alert], run: Run) -> None:
        for alert in alerts:
            self.metrics.add("alerts")
            run.outbox.add(self.alerts_topic, encode(alert), key=alert.id.encode())

    def _reject(
        self,
        event: EventT[bytes],
        body: bytes,
        reason: str,
        run: Run,
        *,
        stage: Stage = "detect",
        call: Call | None = None,
    ) -> None:
        message = event.message
        self.metrics.add("dlq_messages")
        redriven = None
        if call is not None and call.src.origin == "dlq":
            redriven = Redriven(call.src.epoch, call.src.partition, call.src.offset, 0)
        origin = dlq.Origin(message.topic, message.partition, message.offset, redriven=redriven)
        spans = None if call is None else 1
        letter = dlq.letter(origin, stage, reason, body, self.settings.max_message_bytes, spans)
        run.outbox.add(self.dlq_topic, letter.value, key=letter.key, headers=letter.headers)

    def _calls(self, event: EventT[bytes], run: Run) -> list[tuple[Call, bytes]]:
        """The calls of one batch of spans, each with its line; what cannot be read goes to the dlq."""
        message = event.message
        calls: list[tuple[Call, bytes]] = []
        for line in (message.value or b"").split(b"\n"):
            try:
                decoded = decode_line(line)
            except UNREADABLE as error:
                self._reject(event, line, f"not a line of {message.topic}: {error}", run)
                continue
            if isinstance(decoded, Call):
                calls.append((decoded, line))
        self.metrics.add("calls", len(calls))
        return calls

    def _changing(self, series_id: str, partition: Partition, run: Run) -> Changed | None:
        """A series as this run has left it so far; None where it was never seen."""
        if known := run.changed.get(series_id):
            return known
        state = self._shelf.take(series_id)
        return None if state is None else Changed(partition, state)


def _positioned(src: Source, action: Action = lambda _: []) -> Action:
    """An action that takes its position first."""

    def positioned(state: SeriesState) -> list[Alert]:
        state.positions.advance(src)
        return action(state)

    return positioned


def score_of(call: Call, verdict: Verdict) -> Score:
    """The line of `lumina.scores` for a judged call."""
    return Score(
        v=SCORE_VERSION,
        project=call.project,
        series_id=call.series_id,
        trace_id=call.trace_id,
        span_id=call.span_id,
        start_ns=call.start_ns,
        quality=round(verdict.score, QUALITY_DIGITS),
        quality_tier=verdict.tier,
        quality_reason=verdict.sign,
    )


def control_type(event: EventT[bytes]) -> bytes | None:
    """The header that tells a control message; None for a batch of spans."""
    for name, value in event.message.headers or ():
        if name == TYPE_HEADER:
            return bytes(value)
    return None


def is_imported(event: EventT[bytes]) -> bool:
    """Whether a batch of spans is another installation's past."""
    return any(name == IMPORTED_HEADER for name, _ in event.message.headers or ())


def runs_of(events: list[EventT[bytes]]) -> Iterator[list[EventT[bytes]]]:
    """What has arrived, cut before and behind changes of the rules, and marks."""
    for _, run in groupby(events, lambda event: control_type(event) in (RULES, MARK)):
        yield list(run)


def register(app: WorkerApp, settings: Settings, metrics: Metrics) -> None:
    """Add the detect table and agent to the app."""
    table = app.Table("detect", partitions=settings.partitions, key_type=bytes, value_type=bytes)
    if table.changelog_topic.get_topic_name() != settings.topic(DETECT_CHANGELOG):
        raise RuntimeError("The declared changelog and Faust's name for it differ.")
    detector = Detector(app, table, settings, metrics)
    source = app.topic(
        settings.topic(SPANS),
        value_type=bytes,
        value_serializer="raw",
        key_serializer="raw",
        partitions=settings.partitions,
    )

    @app.agent(source, name="detect")
    async def detect_agent(stream: StreamT[bytes]) -> None:
        async for run in runs(stream):
            with fatal("detect"):
                await detector.process(run)
