"""`/api/v1/login`: the dashboard's login, by a key; who is logged in; the end of it."""

import time
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta, Struct
from pydantic import BaseModel, ConfigDict, Field

from lumina_api.access.address import address_of
from lumina_api.access.keyring import Keyring
from lumina_api.access.principal import Principal
from lumina_api.access.refused import Refused
from lumina_api.access.session import COOKIE, Session
from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, documented, record_of
from lumina_api.rest.doors import Caller, bare
from lumina_api.rest.gate import LOGIN, REFUSED, SESSION
from lumina_api.rest.problem import Problem, problems
from lumina_schemas.key import Scope

router = APIRouter(tags=["login"], dependencies=[Depends(bare)])

_RESPONSES = problems({401: "There is no key, or it opens nothing.", 503: "The keys have not been read yet."})


class Login(BaseModel):
    """Who is there, and what is open to them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "0123456789abcdef",
                    "scopes": ["read", "write"],
                    "project": "shop",
                    "auth_required": True,
                    "csrf_token": "2f0c9ae1",
                    "expires_at": "2026-11-28T02:00:00Z",
                }
            ]
        },
    )

    name: str = Field(description="Id of the key, `admin-key`, or `anonymous` where no key is required")
    scopes: list[Scope] = Field(description="All that are open; a wider one contains others")
    project: str = Field(description="The one project that is seen and sent to; empty: all")
    auth_required: bool
    csrf_token: str | None = Field(
        description="What changes by the cookie send as X-CSRF-Token; null without a login"
    )
    expires_at: str | None = Field(description="When the login ends; null without one")


class Shown(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key of whoever logs in."""

    key: Annotated[str, Meta(min_length=1, max_length=1_000)]


def keyring_of(request: Request) -> Keyring:
    """The keys of this process."""
    keyring = request.app.state.keyring
    assert isinstance(keyring, Keyring)
    return keyring


Keys = Annotated[Keyring, Depends(keyring_of)]


@router.post(
    LOGIN,
    response_model=Login,
    responses=_RESPONSES
    | problems(
        {
            415: "The body is not JSON.",
            422: "The body is not what a login takes.",
            429: "Too many logins have failed from this address.",
        }
    ),
    openapi_extra=documented(Shown, {"a key": {"key": f"lk_{'0123456789abcdef'}_{'A' * 43}"}}),
)
async def log_in(request: Request, keyring: Keys, body: Body) -> Response:
    """Log in by a key: a cookie for the browser, which ends with the key or after LUMINA_SESSION_HOURS."""
    throttle, address, now_s = request.app.state.throttle, address_of(request), time.monotonic()
    if wait_s := throttle.wait_s(address, now_s):
        raise Problem(
            429,
            f"Too many logins from {address} have failed: wait {wait_s} s.",
            headers={"Retry-After": str(wait_s)},
        )
    shown = record_of(body, Shown)
    try:
        principal = keyring.holder(shown.key.strip())
        if principal is None:
            raise Refused(
                401, "This is no key of Lumina: one begins with `lk_`. `lumina keys create` makes it."
            )
    except Refused as refused:
        if refused.status == 401:
            throttle.failed(address, now_s)
        raise _problem(refused) from refused
    throttle.succeeded(address)
    session = keyring.log_in(principal)
    response = _answer(keyring, principal, session)
    response.set_cookie(
        COOKIE,
        session.cookie,
        expires=datetime.fromtimestamp(session.ends, UTC),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.get(LOGIN, response_model=Login, responses=_RESPONSES)
async def who_am_i(request: Request, keyring: Keys, caller: Caller) -> Response:
    """Who asks, by key or by cookie, and what is open to them."""
    _check(request)
    return _answer(keyring, caller, request.scope.get(SESSION))


@router.delete(
    LOGIN,
    status_code=204,
    response_class=Response,
    responses=problems({403: "The header X-CSRF-Token is missing or another login's."}),
)
async def log_out(request: Request) -> Response:
    """End the login of this browser: its cookie is taken away. Revoking the key ends all of its logins."""
    refused = request.scope.get(REFUSED)
    if refused is not None and refused.status == 403:
        raise _problem(refused)
    response = Response(status_code=204)
    secure = request.url.scheme == "https"
    response.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="strict")
    return response


def _check(request: Request) -> None:
    if (refused := request.scope.get(REFUSED)) is not None:
        raise _problem(refused)


def _problem(refused: Refused) -> Problem:
    return Problem(refused.status, refused.message, headers=refused.headers)


def _answer(keyring: Keyring, principal: Principal, session: Session | None) -> Response:
    ends = datetime.fromtimestamp(session.ends, UTC) if session else None
    return answer(
        {
            "name": principal.name,
            "scopes": sorted(principal.open),
            "project": principal.project,
            "auth_required": keyring.required,
            "csrf_token": session.csrf if session else None,
            "expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}" if ends else None,
        }
    )
