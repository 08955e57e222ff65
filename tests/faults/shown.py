"""What the views show at the end: every row that a quiet run makes of the same log, costs included."""

import msgspec

from e2e.stack import Process, Stack, eventually
from e2e.truth import records
from faults.arena import Arena
from faults.attack import Outcome
from faults.rows import compared_rows, content, quiet_rows, rows
from lumina_schemas.score import Score
from lumina_schemas.topics import SCORES

SHOWN_S = 60.0
LONG_AGO = "2020-01-01T00:00:00Z"


async def scores_shown(stack: Stack) -> None:
    """Wait until each score that lies in the log is on its call: they come on a topic of their own."""
    settings, counted = stack.settings, 0
    lines = [
        msgspec.json.decode(line, type=Score)
        for record in await records(settings, settings.topic(SCORES))
        for line in record.value.split(b"\n")
    ]
    judged = len({(score.project, score.trace_id, score.span_id) for score in lines})

    async def complete() -> bool:
        nonlocal counted
        counted = (await stack.get("/api/v1/costs/breakdown", max_quality=1, since=LONG_AGO))["totals"][
            "calls"
        ]
        return bool(counted >= judged)

    await eventually(complete, SHOWN_S, lambda: f"the views show {counted} of {judged} scores")


async def shown(arena: Arena, api: Process, calls: int) -> Outcome:
    """Wait until REST counts so many calls, stop the api, and compare its file row by row.

    The stream must have been judged before: what lies in the log by then is the truth.
    """
    counted = 0

    async def complete() -> bool:
        nonlocal counted
        counted = (await arena.stack.get("/api/v1/costs/breakdown", project="e2e", since="2h"))["totals"][
            "calls"
        ]
        return bool(counted >= calls)

    try:
        await eventually(complete, SHOWN_S, lambda: f"the views show {counted} of {calls} calls")
        await scores_shown(arena.stack)
    except AssertionError as error:
        return Outcome(lost=calls - counted, broken=[str(error)])
    code = api.stop()
    truth = await quiet_rows(arena.settings, arena.folder)
    outcome = compared_rows(content(truth), content(rows(arena.settings.data_dir / "views.duckdb")))
    if code:
        outcome.broken.append(f"SIGTERM of the api: exit status {code}")
    return outcome
