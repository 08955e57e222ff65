"""The API keys as `lumina.settings` has them, by id: what a key is worth now. A Reading of that topic."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import structlog
from aiokafka import ConsumerRecord

from lumina_api.access.principal import Principal
from lumina_schemas.key import KIND, ApiKey

log = structlog.get_logger(__name__)

_PREFIX = KIND.encode()
_DECODER = msgspec.json.Decoder(ApiKey)


class Key(NamedTuple):
    """A key at hand: who comes with it, what its secret is compared with, how long it is good."""

    principal: Principal
    digest: str
    """SHA-256 of the secret, hex."""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def trouble(self, now: datetime) -> str:
        """Why it opens nothing; "" where it does."""
        if self.revoked_at is not None:
            return f"The key {self.principal.name} was revoked at {self.revoked_at:%Y-%m-%dT%H:%M:%SZ}."
        if self.expires_at is not None and self.expires_at <= now:
            return f"The key {self.principal.name} expired at {self.expires_at:%Y-%m-%dT%H:%M:%SZ}."
        return ""


class Keys:
    """All keys by id. What is removed, or no record of a key any more, opens nothing."""

    def __init__(self) -> None:
        self._known: dict[str, Key] = {}
        self._found = self._known

    def get(self, id: str) -> Key | None:
        """A key, good or not."""
        return self._known.get(id)

    def begin(self) -> None:
        """What went while nobody looked leaves no trace: begin with nothing. The known ones hold until all
        is read.
        """
        self._found = {}

    def apply(self, records: Sequence[ConsumerRecord]) -> None:
        """Take over what was made, revoked or removed."""
        for record in records:
            if record.key and record.key.startswith(_PREFIX):
                id = record.key.removeprefix(_PREFIX).decode("utf-8", "replace")
                key = _key_of(id, record.value) if record.value else None
                if key is None:
                    self._found.pop(id, None)
                else:
                    self._found[id] = key

    def complete(self) -> None:
        """Have what was found hold."""
        self._known = self._found


def _key_of(id: str, value: bytes) -> Key | None:
    try:
        record = _DECODER.decode(value)
    except msgspec.MsgspecError as error:
        log.error("the record of a key cannot be read: the key opens nothing", id=id[:100], why=str(error))
        return None
    if record.id != id:
        log.error("the record of a key has another key's id: it opens nothing", id=id[:100])
        return None
    who = Principal(record.id, frozenset(record.scopes), record.project)
    return Key(who, record.sha256, _utc(record.expires_at), _utc(record.revoked_at))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
