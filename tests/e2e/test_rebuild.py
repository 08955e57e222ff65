"""Views that were deleted come back from the log, row by row the same."""

from pathlib import Path

import duckdb

from e2e.stack import Stack, eventually
from faults.traffic import CALLS, SERIES, land, traffic
from faults.verdict import SETTLE_S, verdict


def rows(path: Path) -> list[tuple[object, ...]]:
    """Every row of every view in the file, sorted."""
    with duckdb.connect(str(path), read_only=True) as database:
        found: list[tuple[object, ...]] = []
        for (table,) in database.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY 1"
        ).fetchall():
            found.extend((table, *row) for row in database.table(table).fetchall())
        return sorted(found, key=repr)


async def test_views_rebuilt_from_nothing_are_identical(stack: Stack) -> None:
    path = stack.settings.views_path or stack.settings.data_dir / "views.duckdb"
    _, api = await stack.start("stream", "api")
    await land(stack.settings, traffic(13), seconds=3)
    assert (await verdict(stack.settings, SERIES * CALLS)).exact

    async def complete() -> bool:
        costs = await stack.get("/api/v1/costs", project="e2e", since="2h")
        return bool(costs["totals"]["calls"] == SERIES * CALLS)

    await eventually(complete, SETTLE_S, lambda: "the views do not show every call")
    alerts = (await stack.get("/api/v1/alerts", project="e2e"))["items"]
    assert alerts
    api.stop()
    before = rows(path)
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    (api,) = await stack.start("api")
    await eventually(complete, SETTLE_S, lambda: "the rebuilt views do not show every call")
    assert (await stack.get("/api/v1/alerts", project="e2e"))["items"] == alerts
    api.stop()
    assert rows(path) == before
