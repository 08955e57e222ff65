"""Each rule, switched off, lets at least one attack do harm: it is the rules that the attacks prove."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from faults.arena import Arena, arena
from faults.attack import Outcome
from faults.attacks import points

RULES: dict[str, Callable[[Arena, str], Awaitable[Outcome]]] = {
    "flush": points.late_changelog,
    "contiguity": points.failed_send,
    "lease": points.stopped_in_mid_run,
    "position": points.long_replay,
    "run order": points.killed_between_writes,
}


@pytest.mark.kafka
@pytest.mark.parametrize("rule", RULES)
async def test_without_the_rule_the_attack_does_harm(rule: str, kafka: str, tmp_path: Path) -> None:
    async with arena(tmp_path, kafka) as there:
        outcome = await RULES[rule](there, rule)
    assert not outcome.exact
