"""What the views show at the end: every row that a quiet run makes of the same log, costs included."""

from e2e.stack import Process, eventually
from faults.arena import Arena
from faults.attack import Outcome
from faults.rows import Row, compared_rows, quiet_rows, rows

SHOWN_S = 60.0


def content(found: list[Row]) -> list[Row]:
    """All rows but the positions, which ticks move on."""
    return [row for row in found if row[0] != "positions"]


async def shown(arena: Arena, api: Process, calls: int) -> Outcome:
    """Wait until REST counts so many calls, stop the api, and compare its file row by row.

    The stream must have been judged before: what lies in the log by then is the truth.
    """
    counted = 0

    async def complete() -> bool:
        nonlocal counted
        counted = (await arena.stack.get("/api/v1/costs", project="e2e", since="2h"))["totals"]["calls"]
        return bool(counted >= calls)

    try:
        await eventually(complete, SHOWN_S, lambda: f"the views show {counted} of {calls} calls")
    except AssertionError as error:
        return Outcome(lost=calls - counted, broken=[str(error)])
    code = api.stop()
    truth = await quiet_rows(arena.settings, arena.folder)
    outcome = compared_rows(content(truth), content(rows(arena.settings.data_dir / "views.duckdb")))
    if code:
        outcome.broken.append(f"SIGTERM of the api: exit status {code}")
    return outcome
