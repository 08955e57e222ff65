"""Whether servers may start with these settings: what would let everybody in is refused, not warned of."""

import re
import socket
from ipaddress import ip_address

from lumina_api.access.origins import allowed_origins
from lumina_api.access.refused import AccessSettingsError
from lumina_schemas.settings import Settings

LEAST_ADMIN_KEY = 32
"""Characters of LUMINA_ADMIN_KEY: it is compared as it is, and nothing slows who guesses."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)


def check_access(settings: Settings) -> None:
    """Raises AccessSettingsError, which says what to do."""
    if settings.admin_key:
        if len(settings.admin_key) < LEAST_ADMIN_KEY:
            raise AccessSettingsError(
                f"LUMINA_ADMIN_KEY has {len(settings.admin_key)} characters: it opens everything and must "
                f"have {LEAST_ADMIN_KEY} at least. `openssl rand -hex 32` makes a good one."
            )
        if not _TOKEN.fullmatch(settings.admin_key) or settings.admin_key.startswith("lk_"):
            raise AccessSettingsError(
                "LUMINA_ADMIN_KEY cannot be sent as `Authorization: Bearer`: it may have letters, digits and "
                "-._~+/ with = at its end, and must not begin with lk_. `openssl rand -hex 32` makes one."
            )
    allowed_origins(settings)
    if not settings.auth_required and not settings.allow_open and not is_loopback(settings.host):
        raise AccessSettingsError(
            f"LUMINA_HOST is {settings.host!r}, which others can reach, and no key is required: whoever "
            "comes would read every prompt and change every setting. Set AUTH_REQUIRED=1 and make the first "
            "key with `lumina keys create --scope admin`, or bind 127.0.0.1, or set LUMINA_ALLOW_OPEN=1 if "
            "everybody who can reach it may do all of that."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what binds a host. A name is what it resolves to."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None) if host else []
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(ip_address(str(one[4][0]).partition("%")[0]).is_loopback for one in found)
