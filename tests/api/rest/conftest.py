"""REST over views that a test fills itself: the real application and a real file, without a broker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.views.span_lines import EPOCHS, Log
from lumina_api.rest import create_app
from lumina_api.views import Views
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.store import Store
from lumina_schemas.settings import Settings


class Rest:
    """The application, a client of it, and a log to fill its views from."""

    def __init__(self, path: Path) -> None:
        self.views = Views(Settings(views_path=path))
        self.store = self.views._store = Store.open(path, self.views.applied)
        self.log = Log()
        self.client = TestClient(create_app(self.views), raise_server_exceptions=False)

    def apply(self, *records: LogRecord) -> None:
        self.store.apply(batch_of(records), EPOCHS)

    def get(self, path: str, expect: int = 200, **params: Any) -> Any:
        response = self.client.get(path, params=params or None)
        assert response.status_code == expect, response.text
        kind = "application/json" if expect == 200 else "application/problem+json"
        assert response.headers["content-type"] == kind
        assert response.headers["x-content-type-options"] == "nosniff"
        return response.json()

    def items(self, resource: str, **params: Any) -> list[Any]:
        found: list[Any] = self.get(f"/api/v1/{resource}", **params)["items"]
        return found


@pytest.fixture
def rest(tmp_path: Path) -> Iterator[Rest]:
    running = Rest(tmp_path / "views.duckdb")
    yield running
    running.store.close()
