"""What a caller shows: `Authorization: Bearer lk_<id>_<secret>`, or another token of that scheme. Pure."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from lumina_api.access.refused import Refused
from lumina_schemas.settings import Settings

# RFC 6750, section 2.1; the name of a scheme is case-insensitive (RFC 9110, section 11.1).
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*) *", re.ASCII)
_KEY = re.compile(r"lk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)


class Credential(NamedTuple):
    """A key as it was shown; nothing says yet that it is a good one."""

    id: str
    secret: str


def bearer_of(authorization: Sequence[str]) -> str | None:
    """The token in the request's `Authorization` headers; None where there is none of the scheme Bearer.

    Raises Refused (401) where there are several headers: which one counts would be anybody's guess.
    """
    if len(authorization) > 1:
        raise Refused(401, "The request has several Authorization headers: send one.")
    found = _BEARER.fullmatch(authorization[0]) if authorization else None
    return found[1] if found else None


def credential_of(token: str) -> Credential | None:
    """A token as an API key; None where it is another system's. Raises Refused (401) for a key in pieces."""
    if not token.startswith("lk_"):
        return None
    found = _KEY.fullmatch(token)
    if found is None:
        raise Refused(
            401,
            "This is no whole key: one is `lk_`, 16 hex digits, `_` and 43 characters. Copy it again, or "
            "make another with `lumina keys create`.",
        )
    return Credential(found[1], found[2])


def own_headers(settings: Settings) -> dict[str, str]:
    """Headers by which a command of this machine is let in; none without LUMINA_ADMIN_KEY."""
    return {"authorization": f"Bearer {settings.admin_key}"} if settings.admin_key else {}
