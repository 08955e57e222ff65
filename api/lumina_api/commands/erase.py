"""`lumina erase`: takes what users or sessions have left out of the views, for good."""

import time
import uuid
from typing import Annotated

import msgspec
import typer

from lumina_api.commands.asking import ask, asker, fail, running_settings
from lumina_api.commands.telling import tell
from lumina_api.commands.times import nanoseconds_of
from lumina_api.door import put
from lumina_api.text import plain
from lumina_schemas.erasure import KIND, Erasure
from lumina_schemas.topics import SETTINGS


def erase(
    project: Annotated[str, typer.Option(help="The project of the traces.")],
    user: Annotated[str, typer.Option(help="Whose traces: a user id, as spans carry it.")] = "",
    session: Annotated[str, typer.Option(help="Of which session: its id, as spans carry it.")] = "",
    before: Annotated[
        str,
        typer.Option(metavar="TIME", help="Traces with such a span before: 7d, or RFC 3339. Default: now."),
    ] = "",
) -> None:
    """Erase the whole traces of a user or a session: spans, prompts, answers, scores, evidence of alerts.

    Every replica and every rebuild of the views applies it. Kafka keeps its records until their retention
    ends.
    """
    if bool(user) == bool(session):
        fail("Say either --user or --session.", 2)
    before_ns = nanoseconds_of(before) if before else time.time_ns()
    if before_ns > time.time_ns():
        fail("--before must not lie in the future: what is yet to come would be hidden too.", 2)
    made = Erasure(
        project=project, before_ns=before_ns, user_id=user, session_id=session, by=f"cli:{asker('')}"
    )
    value = msgspec.json.encode(made)
    try:
        msgspec.json.decode(value, type=Erasure)  # the bounds of its texts
    except msgspec.ValidationError as error:
        fail(f"That cannot be an erasure: {error}.", 2)
    settings = running_settings()
    key = KIND + str(uuid.uuid4())
    # Who is to be forgotten is not remembered in the audit log.
    change = {"what": "user" if user else "session", "before_ns": before_ns}
    ask(settings, tell(settings, "erasure.create", key, project=project, change=change))
    ask(settings, put(settings, SETTINGS, key, value))
    who = f"{'user' if user else 'session'} {plain(user or session, 100)} in {plain(project, 60)}"
    print(
        f"Traces of {who} are erased ({key}): views hide them at once and delete them. Kafka keeps the "
        f"records of {settings.topic('otlp')} and {settings.topic('spans')} until their retention ends."
    )
