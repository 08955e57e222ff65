"""Views that were deleted come back from the log, row by row the same."""

from e2e.stack import Stack, eventually
from faults.rows import content, rows
from faults.shown import scores_shown
from faults.traffic import CALLS, SERIES, land, traffic
from faults.verdict import SETTLE_S, verdict


async def test_views_rebuilt_from_nothing_are_identical(stack: Stack) -> None:
    path = stack.settings.views_path or stack.settings.data_dir / "views.duckdb"
    _, api = await stack.start("stream", "api")
    await land(stack.settings, traffic(13), seconds=3)
    assert (await verdict(stack.settings, SERIES * CALLS)).exact

    async def complete() -> bool:
        costs = await stack.get("/api/v1/costs/breakdown", project="e2e", since="2h")
        return bool(costs["totals"]["calls"] == SERIES * CALLS)

    await eventually(complete, SETTLE_S, lambda: "the views do not show every call")
    await scores_shown(stack)
    alerts = (await stack.get("/api/v1/alerts", project="e2e"))["items"]
    assert alerts
    api.stop()
    before = content(rows(path))
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    (api,) = await stack.start("api")
    await eventually(complete, SETTLE_S, lambda: "the rebuilt views do not show every call")
    await scores_shown(stack)
    assert (await stack.get("/api/v1/alerts", project="e2e"))["items"] == alerts
    api.stop()
    assert content(rows(path)) == before
    assert [row for row in before if row[0] == "scores"]
