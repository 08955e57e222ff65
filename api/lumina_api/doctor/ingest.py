"""The last requests at the gateway, as it tells them on loopback: status and reason, never their content."""

import httpx
from msgspec import Struct, ValidationError, convert

from lumina_api.access.credentials import own_headers
from lumina_schemas.settings import Settings

ANSWER_S = 3.0


class Refused(RuntimeError):
    """The gateway's requests cannot be had; the message says why and what to do."""


class IngestRequest(Struct, frozen=True, kw_only=True):
    """One request that reached the gateway."""

    at: str  # RFC 3339
    transport: str  # http, grpc
    signal: str
    project: str
    status: int | str
    spans: int
    rejected: int
    reason: str
    client: str


def ingest_of(settings: Settings) -> list[IngestRequest]:
    """Ask the gateway of this machine. Raises Refused."""
    url = f"http://127.0.0.1:{settings.otlp_http_port}/ingest"
    try:
        answer = httpx.get(url, timeout=ANSWER_S, headers=own_headers(settings))
        answer.raise_for_status()
        return convert(answer.json(), list[IngestRequest])
    except httpx.HTTPStatusError as error:
        raise Refused(
            f"{url} answers {error.response.status_code}. Is Lumina's gateway at that port "
            "(LUMINA_OTLP_HTTP_PORT)?"
        ) from error
    except (httpx.HTTPError, ValueError, ValidationError) as error:
        raise Refused(
            f"No gateway answers at {url} ({error!r}). Start it (`lumina up`), or name its port by "
            "LUMINA_OTLP_HTTP_PORT."
        ) from error


def ingest_lines(requests: list[IngestRequest]) -> list[str]:
    """As a person reads them, the newest last."""
    if not requests:
        return [
            "No request has reached this gateway since it started. Check the exporter's endpoint: OTLP/HTTP "
            "goes to port 4318, path /v1/traces, OTLP/gRPC to port 4317."
        ]
    return [
        f"{one.at}  {one.transport:4}  {one.signal:7} {one.project or '-':20} {one.status!s:>5}"
        + f"  {one.spans:>6} spans"
        + (f", {one.rejected} rejected" if one.rejected else "")
        + (f": {one.reason}" if one.reason else "")
        for one in requests
    ]
