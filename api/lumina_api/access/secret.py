"""How an API key is made: its id, its secret, and the record that is kept, which does not hold the secret."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from lumina_schemas.key import KEY_VERSION, ApiKey, Scope

SECRET_BYTES = 32
ID_BYTES = 8


class MadeKey(NamedTuple):
    """A key that was just made. `text` is what its holder sends; it can be shown once, now."""

    id: str
    secret: str
    text: str
    record: ApiKey


def make_key(
    scopes: Sequence[Scope],
    *,
    created_at: datetime,
    project: str = "",
    name: str = "",
    created_by: str = "",
    expires_at: datetime | None = None,
) -> MadeKey:
    """A new key `lk_<id>_<secret>`: 16 hex digits, and 256 random bits as 43 characters of base64url."""
    id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
    record = ApiKey(
        v=KEY_VERSION,
        id=id,
        sha256=digest_of(secret),
        scopes=tuple(dict.fromkeys(scopes)),
        project=project,
        name=name,
        created_at=created_at,
        created_by=created_by,
        expires_at=expires_at,
    )
    return MadeKey(id, secret, f"lk_{id}_{secret}", record)


def digest_of(secret: str) -> str:
    """What is kept of a secret: SHA-256 in hex. A random 256-bit secret needs no slow hash."""
    return sha256(secret.encode()).hexdigest()
