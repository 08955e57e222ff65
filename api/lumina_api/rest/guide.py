"""`/docs`: REST for people, as plain text out of its own OpenAPI. Nothing is loaded from elsewhere."""

from textwrap import fill, indent
from typing import Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import PlainTextResponse

from lumina_api.rest.doors import bare

router = APIRouter(tags=["health"], dependencies=[Depends(bare)])

WIDTH = 100


@router.get("/docs", response_class=PlainTextResponse)
def guide(request: Request) -> PlainTextResponse:
    """Every path with its parameters, to be read in a browser or a terminal."""
    return PlainTextResponse(text_of(request.app.openapi()))


def text_of(document: dict[str, Any]) -> str:
    """An OpenAPI document as text."""
    info = document["info"]
    blocks = [f"{info['title']} REST, version {info['version']}\n\n{info['description'].strip()}"]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            lines = [f"{method.upper()} {path}", indent(fill(operation["description"], WIDTH - 4), "    ")]
            lines += [_parameter(parameter) for parameter in operation.get("parameters", ())]
            blocks.append("\n".join(lines))
    blocks.append("The same for machines: /openapi.json")
    return "\n\n".join(blocks) + "\n"


def _parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    values = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    said = parameter.get("description") or schema.get("description") or ""
    if values:
        said += f" One of {', '.join(values)}."
    if default := schema.get("default"):
        said += f" Default {default}."
    name = f"    {parameter['name']:<18}"
    return fill(said, WIDTH, initial_indent=name, subsequent_indent=" " * len(name))
