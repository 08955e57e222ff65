"""The series of each project, as normalise knows them: values of `lumina.series`, key = the series' id."""

from typing import Annotated

from msgspec import Meta, Struct

SERIES_VERSION = 1

OTHER = "other"
"""Name of what joins the further endpoints of a service, and further services."""


class KnownSeries(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A series that has a place among those of its project (`LUMINA_MAX_SERIES`).

    Times are those of landing records, in ms since 1970: when the first span of the series landed, and the
    last one that was noted (once in six hours of use).
    """

    v: int  # SERIES_VERSION
    project: str
    service: str
    endpoint: str
    since_ms: Annotated[int, Meta(ge=0)]
    seen_ms: Annotated[int, Meta(ge=0)]
    calls: bool = False  # whether calls of models are among its spans
