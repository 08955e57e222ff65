"""Ticks: how the log's time passes where no call comes. From what normalise owns to every series' log."""

import msgspec
import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from lumina_schemas.control import CONTROL_VERSION, TICK, Reached, Tick
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SPANS, TYPE_HEADER
from lumina_streams.agents.normalise import Normaliser
from lumina_streams.agents.outbox import Outbox
from lumina_streams.app import WorkerApp
from lumina_streams.transport.failure import fatal

log = structlog.get_logger()

MARGIN_MS = 1_000
"""At the end of a partition its log has come to the time of the broker's last answer, less what the answer
was under way and what two clocks may differ: something may lie there by now that was not seen.
"""

MAX_PROJECTS = 1_000
"""Projects whose active series a tick tells, the largest ones."""

_encode = msgspec.json.Encoder().encode


class Ticker:
    """Says to every partition of `lumina.spans` how far this worker's source partitions are in it."""

    def __init__(self, app: WorkerApp, settings: Settings, normaliser: Normaliser) -> None:
        self.app = app
        self.normaliser = normaliser
        self.partitions = settings.partitions
        self.topic = settings.topic(SPANS)

    async def tick(self) -> None:
        """Send one tick to each partition and see it onto Kafka."""
        if self.app.rebalancing or self.app.tables.recovery.in_recovery:
            return
        try:
            facts = await self.normaliser.landing_facts()
        except (KafkaError, OSError) as error:
            log.warning("no tick this time: Kafka does not answer", error=repr(error))
            return
        reached = []
        for tp, done in list(self.app.progress.done.items()):
            if tp.topic in facts and (time_ms := self._time_ms(tp, done)) is not None:
                reached.append(Reached(facts[tp.topic].epoch, tp.partition, done, time_ms))
        if not reached:
            return
        sources = {fact.epoch: fact.partitions for fact in facts.values()}
        series = self.normaliser.places.registry.active(MAX_PROJECTS)
        value = _encode(Tick(v=CONTROL_VERSION, sources=sources, reached=tuple(reached), series=series))
        outbox = Outbox()
        for partition in range(self.partitions):
            outbox.add(self.topic, value, partition=partition, headers=[(TYPE_HEADER, TICK)])
        await outbox.deliver(self.app.producer)

    def _time_ms(self, tp: TP, done: int) -> int | None:
        """The log time that a source partition has reached; None where that cannot be said."""
        fetched = self.app.consumer.fetched(tp)
        if fetched is None:
            return None
        if fetched.position >= fetched.end and done + 1 >= fetched.position:
            return max(fetched.at_ms - MARGIN_MS, 0)
        return self.normaliser.times_ms.get(tp)


def register(app: WorkerApp, settings: Settings, normaliser: Normaliser) -> None:
    """Add the timer to the app."""
    ticker = Ticker(app, settings, normaliser)

    @app.timer(interval=settings.tick_s)
    async def send_ticks() -> None:
        with fatal("ticks"):
            await ticker.tick()
