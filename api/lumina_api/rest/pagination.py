"""Keyset pagination: a cursor holds the last row's key and what the first page was asked.

Rows that arrive meanwhile shift nothing: a page starts behind a key, not at a count. Relative times are
resolved once, on the first page, and travel on in the cursor.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from dataclasses import asdict, replace
from hashlib import sha256

import msgspec
from msgspec import Struct

from lumina_api.rest.problem import wrong_parameter
from lumina_api.views.filters import Filters
from lumina_api.views.queries import TIES, Order, Page, Row, key


class _Cursor(Struct, array_like=True):
    asked: str
    since: int | None
    until: int | None
    after: tuple[int | float | str, ...]


_CURSOR = msgspec.json.Decoder(_Cursor)


def page_of(
    what: str, cursor: str | None, filters: Filters, order: Order, limit: int
) -> tuple[Filters, Page]:
    """Filters and page to ask the views for; one row more than shown, which tells whether more follows.

    Raises Problem 422 for a cursor that is none, or that belongs to other parameters.
    """
    if cursor is None:
        return filters, Page(limit + 1, order)
    try:
        known = _CURSOR.decode(urlsafe_b64decode(cursor.encode("ascii")))
        fits = len(known.after) == 1 + len(TIES[what]) and not isinstance(known.after[0], str)
        fits = fits and all(isinstance(tie, str) for tie in known.after[1:])
    except (BadBase64, ValueError, RecursionError):
        fits = False
    if not fits:
        raise wrong_parameter("cursor", "is no cursor of this list; leave it out to start at the first page")
    if known.asked != _asked(what, filters, order):
        raise wrong_parameter(
            "cursor", "belongs to a list with other parameters; leave it out to start at the first page"
        )
    return replace(filters, since=known.since, until=known.until), Page(limit + 1, order, known.after)


def next_cursor(what: str, rows: list[Row], filters: Filters, page: Page) -> tuple[list[Row], str | None]:
    """The rows to show and the cursor of the page that follows, None where none does."""
    shown = rows[: page.limit - 1]
    if len(rows) < page.limit:
        return shown, None
    # Values of the row's key are those of the views' columns.
    after: tuple[int | float | str, ...] = key(what, page.order, shown[-1])  # type: ignore[assignment]
    known = _Cursor(_asked(what, filters, page.order), filters.since, filters.until, after)
    return shown, urlsafe_b64encode(msgspec.json.encode(known)).decode()


def _asked(what: str, filters: Filters, order: Order) -> str:
    """Digest of what may not change from page to page. Times are not part of it: the cursor brings them."""
    asked = asdict(replace(filters, since=None, until=None)) | {"what": what, "order": order}
    return sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()[:16]
