"""What the demo asks Lumina's REST API: is there demo data already, has a real application come."""

from collections.abc import Mapping

import httpx
from msgspec import Struct
from msgspec import json as msgspec_json

from lumina_api.demo import PROJECT

TIMEOUT_S = 5.0
LOOK_BACK = "7d"
NEWEST = 100
"""Traces that are looked at for other projects; between two looks the demo itself adds far fewer."""


class _Item(Struct):
    project: str
    start_ns: int = 0


class _List(Struct):
    items: list[_Item]


class Rest:
    """A client of the REST API at a base URL. Methods raise httpx.HTTPError where there is no good answer."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=TIMEOUT_S)

    async def newest_demo_ns(self) -> int | None:
        """Start of the newest demo trace of the last week; None where there is none."""
        items = await self._items("/api/v1/traces", project=PROJECT, since=LOOK_BACK, limit=1)
        return items[0].start_ns if items else None

    async def has_real(self) -> bool:
        """Whether there is a trace of another project than the demo's."""
        newest = await self._items("/api/v1/traces", since=LOOK_BACK, limit=NEWEST)
        with_calls = await self._items("/api/v1/costs/breakdown", group_by="project", since=LOOK_BACK)
        return any(item.project != PROJECT for item in newest + with_calls)

    async def shows_demo(self, before: str) -> bool:
        """Whether any demo trace or alert from before a time (RFC 3339) is still shown."""
        traces = await self._items("/api/v1/traces", project=PROJECT, since="400d", until=before, limit=1)
        return bool(traces or await self._items("/api/v1/alerts", project=PROJECT, until=before, limit=1))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _items(self, path: str, **parameters: str | int) -> list[_Item]:
        answer = await self._client.get(path, params=parameters)
        answer.raise_for_status()
        return msgspec_json.decode(answer.content, type=_List).items
