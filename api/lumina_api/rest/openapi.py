"""The OpenAPI document: what FastAPI makes of the routes, with the problems that any of them may answer."""

from typing import Any

from fastapi import FastAPI

from lumina_api.rest.problem import MEDIA_TYPE, TITLES, ProblemDetails

_REFERENCE = {"$ref": "#/components/schemas/ProblemDetails"}

ANYWHERE = (401, 403, 404, 413, 422, 503, 504)
"""What every path of REST may answer: no key, too small a key, nothing there, ..."""


UNREAD: dict[str, Any] = {
    "description": "It cannot be read, or its address or a header is longer than 64 KiB.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def described(app: FastAPI) -> None:
    """Have the application serve its document so; it is made once."""
    made = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(made())
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["ProblemDetails"] = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schemas["ProblemDetails"].pop("$defs", {})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            responses["400"] = UNREAD
            if path.startswith("/api/"):
                for status in ANYWHERE:
                    responses.setdefault(str(status), {"description": TITLES[status]})
            for status, response in responses.items():
                if status > "400" and path != "/ready":
                    response["content"] = {MEDIA_TYPE: {"schema": _REFERENCE}}
            operation["responses"] = dict(sorted(responses.items()))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document
