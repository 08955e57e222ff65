"""A stack of real processes on the test's own topics."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from e2e.stack import Stack
from lumina_schemas.settings import Settings


@pytest.fixture
async def stack(settings: Settings, child_env: dict[str, str], tmp_path: Path) -> AsyncIterator[Stack]:
    """A stack without processes; whatever the test started is stopped afterwards."""
    running = Stack(settings, child_env, tmp_path)
    yield running
    running.stop()
