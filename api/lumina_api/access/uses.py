"""When keys were last used: told on `lumina.usage` by every process, and read back by those who show it.

A producer of its own: no request waits for it, and what goes wrong with it keeps nobody out.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import structlog
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError

from lumina_api.access.principal import Principal
from lumina_api.kafka import HeldProducer
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.key import KEY_VERSION, USE, KeyUse
from lumina_schemas.settings import Settings
from lumina_schemas.topics import TYPE_HEADER, USAGE

log = structlog.get_logger(__name__)

KEPT_S = 2 * 86_400
"""How long `lumina.usage` keeps a use."""

EVERY_S = 60.0
"""A key's use is told so often at most: it says about when, and must not be a record a request."""

SEND_DEADLINE_S = 5.0
RETRY_S = 5.0
STOP_DEADLINE_S = 1.0

_DECODER = msgspec.json.Decoder(KeyUse)


class LastUses:
    """The last use of each key; a Reading of `lumina.usage`, which keeps two days."""

    def __init__(self) -> None:
        self._last: dict[str, datetime] = {}

    def of(self, id: str) -> datetime | None:
        """About when a key was last used, in UTC; None: not in the last two days, as far as is known."""
        return self._last.get(id)

    def take(self, id: str, at: datetime) -> None:
        """A key was used."""
        if id not in self._last or self._last[id] < at:
            self._last[id] = at

    def begin(self) -> None:
        """Reading it again changes nothing."""

    def apply(self, records: Sequence[ConsumerRecord]) -> None:
        """Take over uses of keys; all else there is others'."""
        for record in records:
            if (TYPE_HEADER, USE) in record.headers:
                with contextlib.suppress(msgspec.MsgspecError):
                    use = _DECODER.decode(record.value or b"")
                    self.take(use.id, use.at.astimezone(UTC))

    def complete(self) -> None:
        """All that is known is there."""


class Uses:
    """Tells of the use of keys, in the background."""

    def __init__(self, settings: Settings, now: Callable[[], float] = time.time) -> None:
        self.last = LastUses()
        self._settings = settings
        self._topic = settings.topic(USAGE)
        self._now = now
        self._told_s: dict[str, float] = {}
        self._due: dict[str, tuple[KeyUse, str]] = {}
        self._wake = asyncio.Event()
        self._producer = HeldProducer(self._made)
        self._trouble = False

    def note(self, key: Principal) -> None:
        """A key was used now."""
        now_s = self._now()
        if not 0 <= now_s - self._told_s.get(key.name, -EVERY_S) < EVERY_S:
            self._told_s[key.name] = now_s
            use = KeyUse(v=KEY_VERSION, id=key.name, at=datetime.fromtimestamp(now_s, UTC))
            self.last.take(use.id, use.at)
            self._due[use.id] = (use, key.project)
            self._wake.set()

    def since(self) -> int:
        """From when on uses are read, Unix ms."""
        return int((self._now() - KEPT_S) * 1_000)

    async def run(self) -> None:
        """Tell without end. What Kafka does not take is told later."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not await self._tell():
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def stop(self) -> None:
        """Tell the rest, as far as Kafka takes it at once, and disconnect."""
        if self._producer.held:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._tell(), STOP_DEADLINE_S)
            await self._producer.drop()

    async def _tell(self) -> bool:
        due, self._due = self._due, {}
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                producer = await self._producer.get()
                for use, project in due.values():
                    value, headers = msgspec.json.encode(use), [(TYPE_HEADER, USE)]
                    await producer.send_and_wait(self._topic, value, project.encode(), headers=headers)
        except (KafkaError, KafkaSettingsError, OSError) as error:
            if not self._trouble:
                log.warning("the use of keys cannot be told for now", topic=self._topic, error=repr(error))
            self._trouble = True
            self._due = due | self._due
            await self._producer.drop()
            return False
        self._trouble = False
        return True

    def _made(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(**client_options(self._settings, "lumina-keys"), acks="all")
