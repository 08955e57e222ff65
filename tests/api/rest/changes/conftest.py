"""An API over the test's own topics."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.rest.changes.running import Api, serving
from lumina_schemas.settings import Settings


@pytest.fixture
async def api(settings: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(settings, tmp_path / "views.duckdb") as running:
        yield running
