"""Keys for tests, and keyrings that know them without a broker."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from lumina_api.access.keyring import Keyring
from lumina_api.access.secret import MadeKey, make_key
from lumina_schemas.key import KIND, ApiKey
from lumina_schemas.settings import Settings

NOW = 1_780_000_000.0
NOW_AT = datetime.fromtimestamp(NOW, UTC)


class Lying(NamedTuple):
    """As much of a Kafka record as a Reading looks at."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def lying(record: ApiKey) -> Lying:
    return Lying((KIND + record.id).encode(), msgspec.json.encode(record))


def key(*scopes: Any, **more: Any) -> MadeKey:
    return make_key(scopes or ("read",), created_at=NOW_AT, **more)


def revoked(made: MadeKey) -> ApiKey:
    return replace(made.record, revoked_at=NOW_AT)


def tell(keyring: Keyring, *records: ApiKey | Lying) -> None:
    """As if the records had come after those that are known."""
    keyring._keys.apply([one if isinstance(one, Lying) else lying(one) for one in records])


def keyring_of(settings: Settings, *records: ApiKey | Lying, now: Any = lambda: NOW) -> Keyring:
    """A keyring that has read these records to the end of the topic."""
    keyring = Keyring(settings, now)
    keyring._keys.begin()
    tell(keyring, *records)
    keyring._keys.complete()
    keyring._follower._caught_up.set()
    return keyring
