"""Dead letters in an attack: the command that re-drives them, and what a run with redrives must come to."""

import asyncio
import subprocess
import sys

import msgspec

from e2e.otlp_calls import Call as Sent
from e2e.otlp_calls import request
from e2e.stack import Stack, eventually
from e2e.truth import records
from lumina_api.inventory import take_inventory
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Line, Span
from lumina_schemas.topics import TYPE_HEADER
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise

NOWHERE = Source("", "otlp", 0, 0, 0)
QUIET_S = 60.0
COMMAND_S = 60.0


async def lumina(stack: Stack, *words: str) -> str:
    """Run `lumina` as an operator does; returns what it printed, raises where it failed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from lumina_api.cli import app; app()", *words],
        env=stack.env,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
    )
    if done.returncode:
        raise RuntimeError(f"lumina {' '.join(words[:4])}: {done.stderr or done.stdout}"[:600])
    return done.stdout


async def caught_up(
    settings: Settings,
    topics: tuple[str, ...] = ("otlp", "otlp-logs", "spans"),
    within_s: float = QUIET_S,
) -> None:
    """Wait until the stream's group has committed everything that lies in what it reads."""
    behind: list[str] = []

    async def done() -> bool:
        inventory = await take_inventory(settings)
        full = {topic.name for topic in inventory.topics if topic.records}
        names = {name for topic in topics if (name := settings.topic(topic)) in full}
        lags = {lag.topic: lag.lag for lag in inventory.lags if lag.group == f"{settings.topic_prefix}stream"}
        behind[:] = [name for name in names if lags.get(name, 1)]
        return not behind

    await eventually(done, within_s, lambda: f"the worker does not catch up on {behind}")


async def ends_of(settings: Settings, topic: str) -> dict[int, int]:
    """The next offset of each partition that holds something."""
    return {record.partition: record.offset + 1 for record in await records(settings, settings.topic(topic))}


def same_but_for_src(span: Span) -> bytes:
    """What a span says, wherever it came from."""
    return msgspec.json.encode(msgspec.structs.replace(span, src=NOWHERE))


def spans_of(sent: list[Sent]) -> dict[str, bytes]:
    """What the core makes of these calls, by span id, without positions."""
    landing, prices = Landing("", "otlp", 0, 0), PriceBook()
    return {
        span.span_id: same_but_for_src(span)
        for call in sent
        for span in normalise(request([call]), landing, prices).spans
    }


async def landed_spans(settings: Settings) -> dict[str, set[bytes]]:
    """All that `lumina.spans` says of each span, without positions."""
    found: dict[str, set[bytes]] = {}
    decode = msgspec.json.Decoder(Line).decode
    for record in await records(settings, settings.topic("spans")):
        if TYPE_HEADER in record.headers:
            continue
        for line in record.value.split(b"\n"):
            span = decode(line)
            if isinstance(span, Span):
                found.setdefault(span.span_id, set()).add(same_but_for_src(span))
    return found
