"""API keys: values of `keys/<id>` in `lumina.settings`. The secret itself is nowhere: its SHA-256 is.

A key is written `lk_<id>_<secret>`: `id` is 16 hex digits, `secret` 256 random bits as 43 characters of
base64url.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

KEY_VERSION = 1

KIND = "keys/"
"""What the key of an API key in `lumina.settings` begins with; its id follows."""

USE = b"key-use"
"""Value of the header `lumina-type` of a KeyUse in `lumina.usage`."""

Scope = Literal["ingest", "read", "write", "admin"]
"""`ingest`: send OTLP. `read`: see. `write`: also change what is of the project. `admin`: everything."""

Moment = Annotated[datetime, Meta(tz=True)]


KeyProject = Annotated[str, Meta(pattern="^([A-Za-z0-9][A-Za-z0-9._/-]{0,99})?$(?!\\n)")]
"""A project as spans can have it: by another name spans would say themselves whose they are."""


class ApiKey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of an API key."""

    v: int  # KEY_VERSION
    id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]  # of the secret's 43 characters
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=4)]
    project: KeyProject = ""  # the one that it sees and sends to; "" = all
    name: Annotated[str, Meta(max_length=200)] = ""  # for people
    created_at: Moment
    created_by: Annotated[str, Meta(max_length=200)] = ""
    expires_at: Moment | None = None  # from then on it opens nothing
    revoked_at: Moment | None = None  # set once, by `revoke`


class KeyUse(Struct, frozen=True, kw_only=True):
    """A key has opened something. Each process tells it once a minute at most. On `lumina.usage`."""

    v: int  # KEY_VERSION
    id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    at: Moment
