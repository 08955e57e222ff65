"""detect: the log of every series in, alerts out; the tables keep what each series is used to."""

from collections import OrderedDict
from datetime import UTC, datetime

import faust
import msgspec
import structlog
from faust.types import EventT, StreamT

from lumina_schemas.dead_letter import Redriven
from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS, DETECT_CHANGELOG, DLQ, SPANS, TYPE_HEADER
from lumina_streams.agents import dlq
from lumina_streams.agents.outbox import Outbox
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, cold_version, step
from lumina_streams.metrics import Metrics
from lumina_streams.table import SeriesTable
from lumina_streams.transport.failure import fatal
from lumina_streams.transport.run import runs

log = structlog.get_logger()

STATES_IN_MEMORY = 2_000
"""Unpacked series kept at hand; the packed ones are all in the table."""

encode = msgspec.json.Encoder().encode


def hot_key(series_id: str) -> bytes:
    """Table key of what changes with every run."""
    return f"h|{series_id}".encode()


def cold_key(series_id: str, version: int) -> bytes:
    """Table key of a cold version. Two slots, used in turn: writing version k + 1 leaves version k as it was,
    so that after a crash before the hot value follows, what the old hot value names is still there.
    """
    return f"c|{series_id}|{version % 2}".encode()


Taken = tuple[Call, bool]
"""A call whose position was taken, and whether it was applied; False where it failed."""


class Detector:
    """The agent's state: the table, and its most recently used series unpacked."""

    def __init__(self, app: faust.App, table: SeriesTable, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.table = table
        self.metrics = metrics
        self.max_message_bytes = settings.max_message_bytes
        self.rules = Rules.from_settings(settings)
        self.alerts_topic = settings.topic(ALERTS)
        self.dlq_topic = settings.topic(DLQ)
        self._states: OrderedDict[str, tuple[bytes | None, SeriesState]] = OrderedDict()

    async def process(self, run: list[EventT[bytes]]) -> None:
        """Apply one run: alerts first, acknowledged, then one write per series that changed."""
        outbox = Outbox()
        changed: dict[str, tuple[int, SeriesState]] = {}
        taken: dict[str, list[Taken]] = {}
        detected_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        for event in run:
            for call, line in self._calls(event, outbox):
                series_id = call.series_id
                state = changed[series_id][1] if series_id in changed else self._state(call)
                if not state.positions.advance(call.src):
                    self.metrics.add("duplicate_spans")
                    continue
                before = taken.setdefault(series_id, [])
                try:
                    self._step(state, call, detected_at, outbox)
                    before.append((call, True))
                except Exception as error:
                    # A bug of ours must not stop the partition, nor show the prompt that met it.
                    log.error(
                        "detect failed on a call; it is kept in the dlq",
                        span_id=call.span_id,
                        error=type(error).__name__,
                    )
                    self._reject(event, line, f"internal error: {type(error).__name__}", outbox, call)
                    before.append((call, False))
                    state = self._again(before, detected_at)
                changed[series_id] = (event.message.partition, state)
        await outbox.deliver(self.app.producer)
        for series_id, (partition, state) in changed.items():
            if state.cold_dirty:
                await self.table.write(partition, cold_key(series_id, state.cold_version), state.pack_cold())
            hot = state.pack_hot()
            await self.table.write(partition, hot_key(series_id), hot)
            self._remember(series_id, hot, state)

    def _step(self, state: SeriesState, call: Call, detected_at: str, outbox: Outbox) -> None:
        """Let the core look at one call; alerts go to the outbox."""
        for alert in step(state, call, self.rules, detected_at):
            self.metrics.add("alerts")
            outbox.add(self.alerts_topic, encode(alert), key=alert.id.encode())

    def _again(self, taken: list[Taken], detected_at: str) -> SeriesState:
        """The series as it is without the calls that failed in this run, but for their positions.

        A step that raises may have come halfway: what it left would be in the baseline, and the call's id
        among those seen, so that it could never be re-driven.
        """
        series_id = taken[0][0].series_id
        self._states.pop(series_id, None)
        state = self._state(taken[0][0])
        for call, applied in taken:
            state.positions.advance(call.src)
            if applied:
                step(state, call, self.rules, detected_at)  # its alerts are in the outbox already
        return state

    def _reject(
        self, event: EventT[bytes], line: bytes, reason: str, outbox: Outbox, call: Call | None = None
    ) -> None:
        message = event.message
        self.metrics.add("dlq_messages")
        redriven = None
        if call is not None and call.src.origin == "dlq":
            redriven = Redriven(call.src.epoch, call.src.partition, call.src.offset, 0)
        origin = dlq.Origin(message.topic, message.partition, message.offset, redriven=redriven)
        letter = dlq.letter(
            origin, "detect", reason, line, self.max_message_bytes, None if call is None else 1
        )
        outbox.add(self.dlq_topic, letter.value, key=letter.key, headers=letter.headers)

    def _calls(self, event: EventT[bytes], outbox: Outbox) -> list[tuple[Call, bytes]]:
        """The calls of one message of the series' log, each with its line; what cannot be read goes to the
        dlq.
        """
        message = event.message
        for name, value in message.headers or ():
            if name == TYPE_HEADER:
                self.metrics.add("control_messages_skipped")
                log.debug("skipped a control message of a type that this version does not know", type=value)
                return []
        calls: list[tuple[Call, bytes]] = []
        for line in (message.value or b"").split(b"\n"):
            try:
                decoded = decode_line(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._reject(event, line, f"not a line of {message.topic}: {error}", outbox)
                continue
            if isinstance(decoded, Call):
                calls.append((decoded, line))
        self.metrics.add("calls", len(calls))
        return calls

    def _state(self, call: Call) -> SeriesState:
        """The state of the call's series: unpacked before, packed in the table, or new.

        What was unpacked before counts only while the table still holds the very bytes it was written as:
        a rebalance may have brought newer ones.
        """
        hot = self.table.read(hot_key(call.series_id))
        remembered = self._states.get(call.series_id)
        if remembered and remembered[0] is hot:
            self._states.move_to_end(call.series_id)
            return remembered[1]
        if hot is None:
            return SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
        version = cold_version(hot)
        cold = self.table.read(cold_key(call.series_id, version)) if version else None
        return SeriesState.unpack(hot, cold)

    def _remember(self, series_id: str, hot: bytes, state: SeriesState) -> None:
        self._states[series_id] = (hot, state)
        self._states.move_to_end(series_id)
        while len(self._states) > STATES_IN_MEMORY:
            self._states.popitem(last=False)


def register(app: faust.App, settings: Settings, metrics: Metrics) -> None:
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
