"""Scores from end to end: what an answer is worth stands on its call over REST, also after a rebuild."""

import random
import time
from typing import Any

from e2e.otlp_calls import normal_calls, post, refused
from e2e.stack import Stack, eventually

SEEN_S = 30.0


async def test_a_refusal_shows_score_tier_and_reason(stack: Stack) -> None:
    _, _, api = await stack.start("gateway", "stream", "api")
    *good, last = normal_calls(random.Random(3), 8, time.time_ns())
    await post(stack.otlp, good)
    await post(stack.otlp, [refused(last)])
    found: dict[str, list[Any]] = {}

    async def judged() -> bool:
        items = (await stack.get("/api/v1/calls", project="e2e"))["items"]
        found.clear()
        for item in items:
            found[item["span_id"]] = [item["quality"], item["quality_tier"], item["quality_reason"]]
        return len(found) == 8 and all(quality is not None for quality, *_ in found.values())

    await eventually(judged, SEEN_S, lambda: f"not every call has its score: {found}")
    assert found[last.span_id.hex()] == [0.1, "signs", "refusal"]
    assert all(found[call.span_id.hex()][0] > 0.7 for call in good)
    (bad,) = (await stack.get("/api/v1/calls", project="e2e", max_quality=0.5))["items"]
    (same,) = (await stack.get("/api/v1/calls", project="e2e", quality_reason="refusal"))["items"]
    assert bad["span_id"] == same["span_id"] == last.span_id.hex()
    trace = await stack.get(f"/api/v1/traces/{last.trace_id.hex()}")
    assert [span["quality_reason"] for span in trace["spans"]] == ["refusal"]

    before = found.copy()
    api.stop()
    path = stack.settings.views_path or stack.settings.data_dir / "views.duckdb"
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    await stack.start("api")
    await eventually(judged, SEEN_S, lambda: f"not every call has its score again: {found}")
    assert found == before
