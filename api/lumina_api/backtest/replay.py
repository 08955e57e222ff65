"""A log on Kafka through trials: `lumina.spans` as it is retained, or a landing topic of raw OTLP."""

import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import msgspec
from aiokafka import ConsumerRecord, TopicPartition

from lumina_api.backtest.retained import in_order
from lumina_api.backtest.summary import Raised
from lumina_api.backtest.trial import Scope, Trial
from lumina_api.log import MissingTopic, consumer, facts_of, partitions_of, records
from lumina_api.repricing import prices_set
from lumina_api.text import plain
from lumina_schemas import price_file
from lumina_schemas.alert import PROJECT_KINDS, Alert
from lumina_schemas.control import COMMAND, MARK, TICK, SeriesCommand, SeriesMark, Tick
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import KIND as RULES_KIND
from lumina_schemas.rule import RULE_VERSION, RULES, Rule, RuleChange
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.topics import ALERTS, DECLARED, PROJECT_HEADER, SETTINGS, SPANS, TYPE_HEADER
from lumina_streams.core.otlp import Undecodable, decode_traces
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.price.overrides import of_file, of_settings
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.span.lines import MESSAGE_OVERHEAD, encode_line
from lumina_streams.core.span.normalise import Landing, normalise

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
COMPLAINTS = 20  # messages that cannot be read are named; more are only counted

Set = tuple[RuleChange, int]
"""A rule that is set, and when: the time of its record in Unix ms."""

_decode_tick = msgspec.json.Decoder(Tick).decode
_decode_command = msgspec.json.Decoder(SeriesCommand).decode
_decode_mark = msgspec.json.Decoder(SeriesMark).decode
_decode_change = msgspec.json.Decoder(RuleChange).decode
_decode_rule = msgspec.json.Decoder(Rule).decode
_decode_alert = msgspec.json.Decoder(Alert).decode


class Replay:
    """What is read, and what of it cannot be."""

    def __init__(self, settings: Settings, trials: Sequence[Trial], watch: Callable[[], None]) -> None:
        self.settings = settings
        self.trials = trials
        self.unreadable = 0
        self._watch = watch
        """Called after each record: says how far it is."""

    async def spans(
        self,
        until_ms: int,
        with_commands: bool = False,
        series: str = "",
    ) -> None:
        """`lumina.spans` (of one series alone, by its id) as it is retained, with ticks, rules, marks and, if
        asked for, commands. Rules that were set before the log begins hold from its beginning.

        Raises MissingTopic, KafkaError.
        """
        name = self.settings.topic(SPANS)
        facts = await facts_of(self.settings, name)
        numbers = [partition_of(series, facts.partitions)] if series else range(facts.partitions)
        rules = await rules_set(self.settings)
        begun = False
        async for record in self._records([TopicPartition(name, number) for number in numbers], until_ms):
            if not begun:
                begun = True
                self._hold([change for change, set_ms in rules if set_ms < record.timestamp], numbers)
            kind = next((bytes(value) for key, value in record.headers if key == TYPE_HEADER), None)
            if kind is None:
                for call in self._calls(record):
                    if series in ("", call.series_id):
                        for trial in self.trials:
                            trial.call(call, record.partition)
            elif kind != COMMAND or with_commands:
                self._control(kind, record, facts.epoch)
            self._watch()

    async def landed(self, topic: str, until_ms: int) -> None:
        """A landing topic of raw OTLP traces, normalised and priced as the stream does it, by today's rules.
        Raises MissingTopic, KafkaError, PriceFileError.
        """
        settings = self.settings
        name = settings.topic(topic) if topic in DECLARED else topic
        facts = await facts_of(settings, name)
        prices = await _prices(settings)
        self._hold([change for change, _ in await rules_set(settings)], [0])
        limit = settings.max_message_bytes - MESSAGE_OVERHEAD
        default = settings.landing_topics.get(name)
        partitions = [TopicPartition(name, number) for number in range(facts.partitions)]
        async for record in self._records(partitions, until_ms):
            told = next((bytes(value) for key, value in record.headers if key == PROJECT_HEADER), b"")
            project = told.decode("utf-8", "replace") or default
            landing = Landing(facts.epoch, "otlp", record.partition, record.offset, project)
            try:
                made = normalise(decode_traces(record.value or b""), landing, prices, limit)
            except Undecodable as error:
                self._complain(record, str(error))
                continue
            for rejected in made.rejected:
                self._complain(record, rejected.reason)
            for span in made.spans:
                call = decode_line(encode_line(span, limit))
                if isinstance(call, Call):
                    for trial in self.trials:
                        trial.call(call)
            self._watch()

    async def _records(
        self, partitions: list[TopicPartition], until_ms: int
    ) -> AsyncIterator[ConsumerRecord]:
        async with consumer(self.settings) as reader:
            async for record in in_order(reader, partitions, until_ms):
                yield record

    def _hold(self, changes: Iterable[RuleChange], numbers: Iterable[int]) -> None:
        for change in changes:
            for number in numbers:
                for trial in self.trials:
                    trial.rule(change, number)

    def _calls(self, record: ConsumerRecord) -> list[Call]:
        calls: list[Call] = []
        for line in (record.value or b"").split(b"\n"):
            try:
                decoded = decode_line(line)
            except UNREADABLE as error:
                self._complain(record, str(error))
                continue
            if isinstance(decoded, Call):
                calls.append(decoded)
        return calls

    def _control(self, kind: bytes, record: ConsumerRecord, epoch: str) -> None:
        value, number = record.value or b"", record.partition
        try:
            if kind == TICK:
                tick = _decode_tick(value)
                for trial in self.trials:
                    trial.tick(tick, number, record.offset)
            elif kind == RULES:
                change = _decode_change(value)
                for trial in self.trials:
                    trial.rule(change, number)
            elif kind == MARK:
                mark = _decode_mark(value)
                for trial in self.trials:
                    trial.mark(mark, number)
            elif kind == COMMAND:
                asked = _decode_command(value)
                position = Source(epoch, "control", number, record.offset, 0)
                for trial in self.trials:
                    trial.command(asked, number, position)
        except UNREADABLE as error:
            self._complain(record, str(error))

    def _complain(self, record: ConsumerRecord, why: str) -> None:
        self.unreadable += 1
        if self.unreadable <= COMPLAINTS:
            where = f"{record.topic} partition {record.partition} offset {record.offset}"
            print(f"{where} cannot be read: {plain(why, 200)}.", file=sys.stderr)


async def rules_set(settings: Settings) -> list[Set]:
    """The rules of `lumina.settings` as they are now; none where that topic does not exist."""
    found: dict[bytes, Set] = {}
    try:
        partitions = await partitions_of(settings, SETTINGS)
    except MissingTopic:
        return []
    epoch = (await facts_of(settings, settings.topic(SETTINGS))).epoch
    async with consumer(settings) as reader:
        for partition in partitions:
            async for record in records(reader, partition):
                key = record.key or b""
                if not key.startswith(RULES_KIND.encode()):
                    continue
                found.pop(key, None)
                if not record.value:
                    continue
                src = Source(epoch, "control", record.partition, record.offset, 0)
                try:
                    rule_id = key.decode().removeprefix(RULES_KIND)
                    rule = _decode_rule(record.value)
                except UNREADABLE:
                    continue  # the dlq has it
                found[key] = RuleChange(v=RULE_VERSION, id=rule_id, src=src, rule=rule), record.timestamp
    return sorted(found.values(), key=lambda one: one[0].src)


async def alerts_fired(settings: Settings) -> list[Alert] | None:
    """The newest record of every alert of `lumina.alerts`; None where that topic does not exist."""
    found: dict[str, Alert] = {}
    try:
        partitions = await partitions_of(settings, ALERTS)
    except MissingTopic:
        return None
    async with consumer(settings) as reader:
        for partition in partitions:
            async for record in records(reader, partition):
                try:
                    alert = _decode_alert(record.value or b"")
                except UNREADABLE:
                    continue  # a tombstone, or none of ours
                if alert.id not in found or found[alert.id].rev < alert.rev:
                    found[alert.id] = alert
    return list(found.values())


def fired_in(alerts: Iterable[Alert], scope: Scope, since_ms: int, until_ms: int) -> list[Raised]:
    """Those of series that are of a scope and opened in a time."""
    found = [Raised.of(alert) for alert in alerts if alert.kind not in PROJECT_KINDS]
    return [
        one
        for one in found
        if since_ms <= one.opened_ms < until_ms
        and scope.project in ("", one.project)
        and scope.service in ("", one.service)
        and scope.endpoint in ("", one.endpoint)
    ]


async def _prices(settings: Settings) -> PriceBook:
    """The prices of today: the list's, the file's, those of the settings."""
    own = of_file(price_file.read(settings.prices_file))
    try:
        values = await prices_set(settings)
    except MissingTopic:
        values = {}
    found, problems = of_settings(values)
    for key, problem in problems.items():
        print(f"{plain(key, 120)} in the settings is no price: {plain(problem, 200)}", file=sys.stderr)
    return PriceBook(
        overrides=[*own, *found],
        prefer_reported=settings.prefer_reported_cost,
        estimate_tokens=settings.estimate_tokens,
    )
