"""`lumina mark`: tell the detection what people did, so that alerts name it as their cause."""

import time
import uuid
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from lumina_api.commands.asking import ask, asker, fail, running_settings
from lumina_api.commands.telling import tell
from lumina_api.commands.times import nanoseconds_of
from lumina_api.door import put
from lumina_api.text import plain
from lumina_schemas.control import CONTROL_VERSION, Mark
from lumina_schemas.topics import COMMANDS


def mark(
    text: Annotated[str, typer.Argument(help='What was done: "release 1.4", "new prompt", "prices of May".')],
    service: Annotated[str, typer.Option(help="The service it was done to; absent: all.")] = "",
    endpoint: Annotated[str, typer.Option(help="The endpoint; absent: all of them.")] = "",
    project: Annotated[str, typer.Option(help="The project; absent: all.")] = "",
    expected: Annotated[
        bool, typer.Option("--expected", help="Levels that change with it are accepted, without an alert.")
    ] = False,
    at: Annotated[
        int | None,
        typer.Option(parser=nanoseconds_of, metavar="TIME", help="When: 15m ago, or RFC 3339; absent: now."),
    ] = None,
    by: Annotated[str, typer.Option(help="Who did it; absent: your name on this machine.")] = "",
) -> None:
    """Mark what people did: a release, a new prompt, a price. Alerts that begin soon after name it."""
    if not text.strip():
        fail('A mark says what was done: lumina mark "release 1.4" --service checkout.', 2)
    moment = datetime.fromtimestamp((time.time_ns() if at is None else at) // 1_000 / 1e6, UTC)
    made = Mark(
        v=CONTROL_VERSION,
        type="mark",
        id=str(uuid.uuid4()),
        text=text.strip(),
        at=moment,
        by=asker(by),
        project=project,
        service=service,
        endpoint=endpoint,
        expected=expected,
    )
    value = msgspec.json.encode(made)
    try:
        msgspec.json.decode(value, type=Mark)  # the bounds of its texts
    except msgspec.ValidationError as error:
        fail(f"That cannot be a mark: {error}.", 2)
    settings = running_settings()
    told = msgspec.to_builtins(made)
    ask(settings, tell(settings, "mark.create", f"marks/{made.id}", project=project, change=told))
    ask(settings, put(settings, COMMANDS, made.id, value))
    place = "/".join(plain(part, 60) if part else "*" for part in (project, service, endpoint))
    print(f"Marked {plain(made.text, 200)} at {moment:%Y-%m-%dT%H:%M:%SZ} on {place}, id {made.id}.")
    if expected:
        print("Levels that change with it are accepted.")
