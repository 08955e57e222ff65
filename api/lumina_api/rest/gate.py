"""The gate of REST: finds out who asks before anything else is done, and lets nobody else in.

OTLP has its own (`gateway/doorway.py`), since it answers in its own shape. A route that is neither open to
everybody nor OTLP cannot be reached without a principal, whatever it declares.
"""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from lumina_api.access.binding import is_loopback
from lumina_api.access.keyring import Keyring
from lumina_api.access.origins import allowed_origins
from lumina_api.access.principal import PRINCIPAL, Principal
from lumina_api.access.refused import Refused
from lumina_api.access.session import COOKIE
from lumina_api.rest.problem import Problem
from lumina_schemas.settings import Settings

LOGIN = "/api/v1/login"
OPEN = frozenset({"/", "/health", "/ready", LOGIN})
"""Paths that answer whoever comes; what they show depends on who it is."""

OTLP = frozenset({"/v1/traces", "/v1/logs", "/v1/metrics"})

CSRF = "X-CSRF-Token"
SESSION = "lumina.session"
REFUSED = "lumina.refused"
"""Where the scope (ASGI) of an open path holds the session, and why no principal was found."""

NOBODY = Principal("nobody", frozenset())

_SAFE = frozenset({"GET", "HEAD"})


class Gate:
    """ASGI middleware that puts the Principal into the scope, or answers 401, 403 or 503."""

    def __init__(self, app: ASGIApp, keyring: Keyring, settings: Settings) -> None:
        self._app = app
        self._keyring = keyring
        self._origins = frozenset(allowed_origins(settings))
        self._host = settings.host.lower()
        self._guards_names = not settings.allow_open and is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        # Whoever wraps the application may have found out already: no request can write into the scope.
        if scope["type"] == "http" and PRINCIPAL not in scope and scope["path"] not in OTLP:
            try:
                self._admit(HTTPConnection(scope), scope)
            except Refused as refused:
                problem = Problem(refused.status, refused.message, headers=refused.headers)
                await problem.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _admit(self, request: HTTPConnection, scope: Scope) -> None:
        is_open = scope["path"] in OPEN
        try:
            scope[PRINCIPAL] = self._who(request, scope)
        except Refused as refused:
            if not is_open:
                raise
            scope[PRINCIPAL], scope[REFUSED] = NOBODY, refused
        if not is_open and scope["method"] in _SAFE and not scope[PRINCIPAL].may("read"):
            raise Refused(
                403, f"This needs a key with the scope `read`; `{scope[PRINCIPAL].name}` does not have it."
            )

    def _who(self, request: HTTPConnection, scope: Scope) -> Principal:
        caller = self._keyring.caller(request.headers.getlist("authorization"))
        if caller is not None:
            return caller
        if cookie := request.cookies.get(COOKIE):
            entered = self._keyring.entered(cookie)
            if entered is not None:
                self._check_token(request, scope, entered.session.csrf)
                scope[SESSION] = entered.session
                return entered.principal
        caller = self._keyring.anybody()
        self._check_page(request, scope)
        return caller

    def _check_token(self, request: HTTPConnection, scope: Scope, csrf: str) -> None:
        """A browser adds the cookie to whatever a page sends: only Lumina's own page knows the token."""
        if scope["method"] in _SAFE or (scope["path"] == LOGIN and scope["method"] == "POST"):
            return
        if not hmac.compare_digest(request.headers.get(CSRF, "").encode(), csrf.encode()):
            raise Refused(
                403,
                f"A change by the cookie of a login needs the header {CSRF}: `GET {LOGIN}` has its value.",
            )

    def _check_page(self, request: HTTPConnection, scope: Scope) -> None:
        """Where no key is required, pages of the internet could still come, by the user's own browser."""
        origin = request.headers.get("origin", "").lower()
        site = request.headers.get("sec-fetch-site", "")
        if (
            scope["method"] not in _SAFE
            and site in ("cross-site", "same-site")
            and not {"*", origin} & self._origins
        ):
            raise Refused(
                403,
                "A page of another site may change nothing here. LUMINA_CORS_ORIGINS names those that may.",
            )
        if self._guards_names and not self._is_own_name(request.headers.get("host", "")):
            raise Refused(
                403,
                "This server is for its own machine, and was asked by a name that others give it: a page "
                "that had its name point here could read everything. Ask 127.0.0.1 or localhost, or set "
                "AUTH_REQUIRED=1, or LUMINA_ALLOW_OPEN=1.",
            )

    def _is_own_name(self, host: str) -> bool:
        """Whether a `Host` is one that no foreign name server can answer for."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if "." not in name and ":" not in name:
            return True
        if name == self._host or name.endswith(".localhost"):
            return True
        try:
            ip_address(name)
        except ValueError:
            return False
        return True
