"""The prices in force, for sums to compare with: the public list, the price file, the settings in the views.

What a call cost is in its row. These tell what its tokens would have cost otherwise.
"""

from functools import lru_cache
from pathlib import Path

import duckdb

from lumina_api.views import decided_queries
from lumina_api.views.queries import Page
from lumina_schemas import price_file
from lumina_schemas.price import KIND
from lumina_schemas.price_file import PriceFileError
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.price.overrides import Override, of_file, of_settings

MOST = 10_000
"""Prices of the settings that are looked at, the last written first."""


def book_of(cursor: duckdb.DuckDBPyConnection, file: Path | None) -> PriceBook:
    """The prices as they are now. One that cannot be used is left out: `/api/v1/prices` says so."""
    rows = decided_queries.settings(cursor, KIND.rstrip("/"), (), Page(MOST, "newest"))
    return _book(file, tuple((f"{KIND}{row['id']}", str(row["value"])) for row in rows))


@lru_cache(maxsize=4)
def _book(file: Path | None, values: tuple[tuple[str, str], ...]) -> PriceBook:
    found, _ = of_settings({key: value.encode() for key, value in values})
    return PriceBook(overrides=[*_of_file(file), *found])


@lru_cache(maxsize=1)
def _of_file(file: Path | None) -> tuple[Override, ...]:
    """Read once, like the workers do. They do not start with one that cannot be read, and say why."""
    try:
        return tuple(of_file(price_file.read(file)))
    except PriceFileError:
        return ()
