"""Every attack once. `make faults` repeats them and prints the table."""

from pathlib import Path

import pytest

from faults.arena import arena
from faults.attack import Attack
from faults.attacks import ATTACKS


@pytest.mark.kafka
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
async def test_nothing_is_lost_doubled_or_different(attack: Attack, kafka: str, tmp_path: Path) -> None:
    async with arena(tmp_path, None if attack.own_broker else kafka) as there:
        outcome = await attack.run(there)
    assert outcome.exact, outcome
