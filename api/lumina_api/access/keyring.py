"""Who comes with which key: every process that lets requests in has all keys at hand, and follows them.

A key that was revoked opens nothing from the moment on at which the record has been read, less than a second
later. While Kafka is away the keys that are known stay in force.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from lumina_api.access.credentials import bearer_of, credential_of
from lumina_api.access.keys import Key, Keys
from lumina_api.access.principal import ANONYMOUS, Principal
from lumina_api.access.refused import Refused
from lumina_api.access.secret import digest_of
from lumina_api.access.session import Session, made, opened
from lumina_api.access.uses import Uses
from lumina_api.follower import Follower
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS, USAGE

ADMIN_KEY = "admin-key"
"""Name of whoever comes with LUMINA_ADMIN_KEY."""

# What an unknown id is compared with, so that it takes as long as a known one.
_NOBODY = Key(Principal("", frozenset()), digest_of(""))


class Entered(NamedTuple):
    """A login of the dashboard that holds."""

    principal: Principal
    session: Session


class Keyring:
    """Says who comes: by a key, by the cookie of a login, or by neither."""

    def __init__(
        self, settings: Settings, now: Callable[[], float] = time.time, *, shows_uses: bool = False
    ) -> None:
        """`shows_uses`: has to know when keys were last used, wherever that was."""
        self.required = settings.auth_required
        self.uses = Uses(settings, now)
        self._now = now
        self._session_s = settings.session_hours * 3_600
        self._pepper = settings.admin_key
        self._admin = (
            Key(Principal(ADMIN_KEY, frozenset({"admin"})), digest_of(settings.admin_key))
            if settings.admin_key
            else None
        )
        self._keys = Keys()
        self._follower = Follower(settings, SETTINGS, self._keys)
        self._followers = [self._follower]
        if shows_uses:
            self._followers.append(Follower(settings, USAGE, self.uses.last, self.uses.since))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to read the keys and to tell of their use, in the background."""
        runs = [follower.run() for follower in self._followers]
        runs.append(self.uses.run())
        self._tasks = [asyncio.create_task(run, name="keyring") for run in runs]

    async def stop(self) -> None:
        """Stop both."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.uses.stop()

    @property
    def why(self) -> str:
        """Why keys cannot be told from others yet; "" from then on, for good."""
        return self._follower.why

    def caller(self, authorization: Sequence[str]) -> Principal | None:
        """Who comes with these `Authorization` headers; None where they hold no key of ours.

        Raises Refused: 401 for a key that opens nothing, 503 until all keys are known.
        """
        token = bearer_of(authorization)
        return self.holder(token) if token else None

    def holder(self, token: str) -> Principal | None:
        """Who holds a key. As `caller`."""
        digest = digest_of(token)
        if self._admin and hmac.compare_digest(digest, self._admin.digest):
            return self._admin.principal
        credential = credential_of(token)
        if credential is None:
            return None
        if self.why:
            raise Refused(503, f"No key can be checked yet: {self.why} Ask again in a moment.")
        key = self._keys.get(credential.id) or _NOBODY
        if not hmac.compare_digest(digest_of(credential.secret), key.digest) or key is _NOBODY:
            raise Refused(401, "This key is not known here: it was removed, or its secret is another one.")
        if trouble := key.trouble(self._time()):
            raise Refused(401, f"{trouble} Make another with `lumina keys create`.")
        self.uses.note(key.principal)
        return key.principal

    def anybody(self) -> Principal:
        """Who comes without a key. Raises Refused (401) where one is required."""
        if self.required:
            raise Refused(
                401,
                "This needs a key: send `Authorization: Bearer lk_...`. `lumina keys create` makes one on "
                "the machine that Lumina runs on.",
            )
        return ANONYMOUS

    def log_in(self, principal: Principal) -> Session:
        """A session for whoever has just shown a key."""
        key = self._held(principal.name)
        assert key is not None, "its key was good a moment ago"
        ends = self._now() + self._session_s
        if key.expires_at is not None:
            ends = min(ends, key.expires_at.timestamp())
        return made(principal.name, int(ends), key.digest, self._pepper)

    def entered(self, cookie: str) -> Entered | None:
        """Whose session a cookie is; None where it is none, has ended, or its key opens nothing any more.

        Raises Refused (503) until all keys are known.
        """
        id = cookie.partition(".")[0]
        if id != ADMIN_KEY and self.why:
            raise Refused(503, f"No login can be checked yet: {self.why} Ask again in a moment.")
        key = self._held(id) or _NOBODY
        session = opened(cookie, key.digest, self._pepper, self._now())
        if session is None or key is _NOBODY or key.trouble(self._time()):
            return None
        if id != ADMIN_KEY:
            self.uses.note(key.principal)
        return Entered(key.principal, session)

    def still(self, principal: Principal) -> bool:
        """Whether what opened a long answer still opens: its key may have expired or been revoked."""
        if principal == ANONYMOUS:
            return not self.required
        key = self._held(principal.name)
        return key is not None and not key.trouble(self._time())

    def _held(self, id: str) -> Key | None:
        return self._admin if id == ADMIN_KEY else self._keys.get(id)

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)
