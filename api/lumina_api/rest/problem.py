"""One shape for every error: RFC 9457 problem details, as application/problem+json."""

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from msgspec import Struct, json
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from lumina_api.deadline import TookTooLong
from lumina_api.views import ViewsAway
from lumina_api.writer import NotWritten

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

# For every answer: a browser takes it for what its content type says, runs nothing in it, keeps nothing of
# it, and lends it to no other site's page.
HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Invalid parameter",
    429: "Limit reached",
    500: "Internal error",
    503: "Not ready",
    504: "Took too long",
}


class WrongParameter(BaseModel):
    """One parameter that cannot be used."""

    parameter: str
    detail: str


class ProblemDetails(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="Names the kind of problem: urn:lumina:problem:...")
    title: str
    status: int
    detail: str = Field(description="What happened, what it means, what to do.")
    errors: list[WrongParameter] | None = Field(default=None, description="Wrong parameters, one by one.")
    valid_parameters: list[str] | None = Field(default=None, description="Parameters that this path takes.")


Responses = dict[int | str, dict[str, Any]]
"""`responses` of a route, by status."""


def problems(described: dict[int, str]) -> Responses:
    """Problems that a route may answer, each status with when it does."""
    return {
        status: {"model": ProblemDetails, "content": {MEDIA_TYPE: {}}, "description": when}
        for status, when in described.items()
    }


REFUSED = problems({403: "The caller's key may not do this, or not in this project."})
UNKNOWN = problems({404: "There is none of this id, or the caller's key does not see it."})


class _Body(Struct, omit_defaults=True):
    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []
    valid_parameters: list[str] = []


class Problem(Exception):
    """Raised by a handler: the request ends with this status and these words."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[tuple[str, str]] = (),
        valid_parameters: Sequence[str] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.valid_parameters = valid_parameters
        self.headers = headers or {}

    def response(self) -> Response:
        """The problem as it goes out."""
        title = TITLES.get(self.status, "Error")
        body = _Body(
            f"urn:lumina:problem:{title.lower().replace(' ', '-')}",
            title,
            self.status,
            self.detail,
            [{"parameter": parameter, "detail": detail} for parameter, detail in self.errors],
            list(self.valid_parameters),
        )
        return Response(json.encode(body), self.status, self.headers, MEDIA_TYPE)


def took_too_long(limit_s: float | None = None) -> Problem:
    """The time of a request was over."""
    time = f"the {limit_s:g} s that LUMINA_REQUEST_TIMEOUT_S allows" if limit_s else "its time"
    return Problem(
        504, f"The request took longer than {time} and was stopped: ask for a shorter time or less."
    )


def wrong_parameter(parameter: str, detail: str) -> Problem:
    """A parameter whose value cannot be used."""
    return Problem(422, f"{parameter}: {detail}", [(parameter, detail)])


def handle_problems(app: FastAPI) -> None:
    """Have every error of the application, the framework's own included, answered as a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ViewsAway, _away)
    app.add_exception_handler(TookTooLong, _late)
    app.add_exception_handler(NotWritten, _away)
    app.add_exception_handler(Exception, _unexpected)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = "There is nothing at this path. `/openapi.json` describes every path, `/` links to them."
    elif error.status_code == 405:
        allowed = ", ".join(_methods(request))
        detail = f"This path does not take {request.method}; it takes {allowed}."
        return Problem(405, detail, headers={"Allow": allowed}).response()
    elif error.status_code == 400:  # the framework's word for a body that it cannot read
        return wrong_parameter("body", "is no JSON in UTF-8").response()
    return Problem(error.status_code, detail, headers=dict(error.headers or {})).response()


def _methods(request: Request) -> list[str]:
    """What this path takes, by all of its routes: the framework names those of the first alone."""
    path = request.scope["path"]
    found = {
        method.upper()
        for template, operations in request.app.openapi()["paths"].items()
        if compile_path(template)[0].match(path)
        for method in operations
    }
    return sorted(found) or ["GET"]


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [(_name(wrong), _words(wrong)) for wrong in error.errors()]
    valid = _parameters(request)
    said = "; ".join(f"{parameter}: {detail}" for parameter, detail in errors[:3])
    return Problem(422, said, errors, valid).response()


async def _away(request: Request, error: Exception) -> Response:
    return Problem(503, str(error), headers={"Retry-After": "2"}).response()


async def _late(request: Request, error: Exception) -> Response:
    settings = request.app.state.views.settings
    return took_too_long(settings.request_timeout_s).response()


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    said = "The request failed inside Lumina. Its log says why; please report it with that."
    # This answer is made outside of the middleware that adds the headers to all others.
    return Problem(500, said, headers=dict(HEADERS)).response()


def _name(wrong: Any) -> str:
    where = [str(part) for part in wrong["loc"] if part not in ("query", "path", "header", "body")]
    return where[0] if where else "request"


def _words(wrong: Any) -> str:
    if wrong["type"] == "extra_forbidden":
        return "there is no such parameter here"
    return str(wrong["msg"]).removeprefix("Value error, ")


def _parameters(request: Request) -> list[str]:
    """Names of the query parameters that the matched route takes."""
    path = getattr(request.scope.get("route"), "path", None)
    operations = request.app.openapi()["paths"].get(path, {})
    parameters = operations.get(request.method.lower(), {}).get("parameters", [])
    return sorted(parameter["name"] for parameter in parameters if parameter["in"] == "query")
