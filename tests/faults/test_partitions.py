"""Growing the partitions of the series' log under fire: nothing is lost, doubled or forgotten."""

import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from e2e.projects import spent
from e2e.stack import Process, Stack, eventually
from e2e.truth import actual_run, records
from faults.rows import content, rows
from faults.shown import scores_shown
from faults.traffic import CALLS, SERIES, land, traffic
from faults.verdict import SETTLE_S, verdict
from lumina_api.stack.environment import environment
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DETECT_CHANGELOG, SPANS

TO = 7
SPANS_SENT = SERIES * CALLS


def lumina(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, as a user types it."""
    return subprocess.run(
        [Path(sys.executable).with_name("lumina"), *arguments],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )


def ended(process: Process) -> Callable[[], Awaitable[bool]]:
    """Whether a process has ended, as a condition to wait for."""

    async def condition() -> bool:
        return not process.running

    return condition


def killed_copy(settings: Settings, record: int) -> None:
    """A copy that is killed once so many records of it are on Kafka."""
    ended = subprocess.run(
        [sys.executable, "-m", "faults.growing", str(record), str(TO)],
        env=environment(settings) | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


async def test_growing_from_4_to_7_partitions_changes_no_count_baseline_or_alert(
    stack: Stack, tmp_path: Path
) -> None:
    old = stack.settings
    messages = traffic(17)
    # The last part brings most of the bad calls: alerts are open before, and go on after.
    first, second, third = messages[:350], messages[350:520], messages[520:]
    stream, actor, api = await stack.start("stream", "actor", "api")
    await land(old, first, seconds=3)

    async def seen() -> bool:
        return bool(
            (await stack.get("/api/v1/costs/breakdown", project="e2e", since="2h"))["totals"]["calls"] > 500
        )

    await eventually(seen, SETTLE_S, lambda: "the views show nothing")
    refused = lumina(old, "partitions", "--to", str(TO))
    assert refused.returncode == 1
    assert "Workers are running" in refused.stderr
    stream.kill()  # in mid-stream: what it has done and not committed is done again
    await land(old, second, seconds=1)
    assert actor.stop() == 0
    before = await actual_run(old, clocks=True)
    places = await records(old, old.topic(SPANS))

    killed_copy(old, 5)  # among the states
    killed_copy(old, 400)  # in the log
    new = old.in_generation(2)
    grown_stack = Stack(new, environment(new), tmp_path)
    early = grown_stack.spawn("stream")
    await eventually(ended(early), SETTLE_S, lambda: "a worker runs on half a copy")
    assert "not made, or only half" in early.log.read_text()

    grown = lumina(old, "partitions", "--to", str(TO))
    assert grown.returncode == 0, grown.stderr
    assert f"Generation 2 has {TO} partitions" in grown.stdout
    assert await records(old, old.topic(SPANS)) == places
    assert (await actual_run(old, clocks=True)).tables == before.tables
    copied = await actual_run(new, clocks=True)
    assert copied.tables == before.tables
    assert copied.spans == before.spans
    late = stack.spawn("stream")
    await eventually(ended(late), SETTLE_S, lambda: "a worker of the old generation runs")
    assert "has taken over" in late.log.read_text()
    assert api.stop() == 0
    try:
        *_, api = await grown_stack.start("stream", "stream", "actor", "api")
        await land(new, third, seconds=2)
        outcome = await verdict(new, SPANS_SENT)
        assert outcome.exact, outcome
        actual = await actual_run(new, clocks=False)
        assert len(actual.spans) == SPANS_SENT
        assert {alert.id for alert in before.alerts.values()} <= actual.alerts.keys()

        async def complete() -> bool:
            costs = await grown_stack.get("/api/v1/costs/breakdown", project="e2e", since="2h")
            return bool(costs["totals"]["calls"] == SPANS_SENT)

        await eventually(complete, SETTLE_S, lambda: "the views do not show every call, once")

        async def told() -> bool:
            return (await spent(new, "e2e")).calls >= SPANS_SENT

        await eventually(told, SETTLE_S, lambda: "not every call is in what its project has spent")
        assert (await spent(new, "e2e")).calls == SPANS_SENT
        await scores_shown(grown_stack)
        shown = (await grown_stack.get("/api/v1/alerts", project="e2e"))["items"]
        assert {alert["id"]: alert["rev"] for alert in shown} == {
            alert.id: alert.rev for alert in actual.alerts.values()
        }
        # Views that went over from one generation to the other hold what new ones would.
        api.stop()
        path = new.views_path or new.data_dir / "views.duckdb"
        went_over = rows(path)
        for file in path.parent.glob(path.name + "*"):
            file.unlink()
        (api,) = await grown_stack.start("api")
        await eventually(complete, SETTLE_S, lambda: "the rebuilt views do not show every call")
        await scores_shown(grown_stack)
        api.stop()
        rebuilt = rows(path)
        assert content(rebuilt) == content(went_over)
    finally:
        grown_stack.stop()
    deleted = lumina(new, "partitions", "--delete", "1", "--yes")
    assert deleted.returncode == 0, deleted.stderr
    left = lumina(new, "partitions").stdout
    assert old.topic(SPANS) + " " not in left
    assert new.topic(DETECT_CHANGELOG) in left
