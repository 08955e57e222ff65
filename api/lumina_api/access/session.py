"""Sessions of the dashboard: a cookie that says itself whose it is and until when. Pure.

`<id>.<end>.<mac>`: id of the key, Unix seconds, HMAC-SHA256 (RFC 2104) of both, keyed by the stored hash of
the key and LUMINA_ADMIN_KEY. So every replica takes it, no replica keeps anything, and it ends with its key.
"""

import hmac
import re
from typing import NamedTuple

COOKIE = "lumina_session"

_COOKIE = re.compile(r"([0-9a-f]{16}|admin-key)\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


class Session(NamedTuple):
    """A login. `csrf` is shown to the page alone: another site's page can send the cookie, and not that."""

    cookie: str
    ends: int
    """Unix seconds."""
    csrf: str


def made(id: str, ends: int, digest: str, pepper: str) -> Session:
    """A session of the holder of a key whose secret has this SHA-256."""
    head = f"{id}.{ends}"
    return _session(f"{head}.{_mac(digest, pepper, 'session', head)}", ends, digest, pepper)


def opened(cookie: str, digest: str, pepper: str, now_s: float) -> Session | None:
    """The session that a cookie is; None where it was not made with this key, or has ended."""
    found = _COOKIE.fullmatch(cookie)
    if found is None:
        return None
    head, ends = f"{found[1]}.{found[2]}", int(found[2])
    if not hmac.compare_digest(found[3], _mac(digest, pepper, "session", head)) or ends <= now_s:
        return None
    return _session(cookie, ends, digest, pepper)


def _session(cookie: str, ends: int, digest: str, pepper: str) -> Session:
    return Session(cookie, ends, _mac(digest, pepper, "csrf", cookie))


def _mac(digest: str, pepper: str, purpose: str, text: str) -> str:
    key = hmac.digest(digest.encode(), pepper.encode(), "sha256")
    return hmac.digest(key, f"lumina {purpose} {text}".encode(), "sha256").hex()
