"""Records of the log in, what watchers are told out. Pure."""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from lumina_api.views.batch import UNREADABLE, LogRecord
from lumina_schemas.topics import TYPE_HEADER

TRACES_SHOWN = 20
"""Of one event; it says how many more there were."""


class Place(Struct, frozen=True):
    """What an event is of, as far as filters ask."""

    project: str
    service: str = ""
    endpoint: str = ""


class TraceNews(Struct, frozen=True):
    """A trace with new spans: the one of them that is nearest to its root."""

    project: str
    trace_id: str
    service: str
    endpoint: str
    name: str
    start_ns: int
    status: str = "unset"
    parent_span_id: str = ""


class Wanted(Struct, frozen=True):
    """What a watcher wants to hear of; () is all."""

    project: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()

    def takes(self, of: Place | TraceNews) -> bool:
        """Whether an event is for the watcher."""
        return all(
            not names or getattr(of, field) in names
            for field, names in (
                ("project", self.project),
                ("service", self.service),
                ("endpoint", self.endpoint),
            )
        )


_decode_place = msgspec.json.Decoder(Place).decode
_decode_trace = msgspec.json.Decoder(TraceNews).decode
_encode = msgspec.json.Encoder().encode


def alert_of(record: LogRecord) -> tuple[Place, bytes] | None:
    """An alert's revision: what it is of, and its record as it stands; None for what is none."""
    if record.value is None:
        return None
    try:
        place = _decode_place(record.value)
        return place, _encode(Raw(record.value)).replace(b"\n", b" ").replace(b"\r", b" ")
    except UNREADABLE:
        return None


def traces_of(records: Iterable[LogRecord]) -> dict[tuple[str, str], TraceNews]:
    """The traces of which records bring spans."""
    found: dict[tuple[str, str], TraceNews] = {}
    for record in records:
        if record.topic != "spans" or any(name == TYPE_HEADER for name, _ in record.headers):
            continue
        for line in (record.value or b"").split(b"\n"):
            try:
                news = _decode_trace(line)
            except UNREADABLE:  # content lines too: they begin no trace
                continue
            key = news.project, news.trace_id
            known = found.get(key)
            if known is None or _nearer(news) < _nearer(known):
                found[key] = news
    return found


def told(news: Iterable[TraceNews], wanted: Wanted) -> bytes | None:
    """The event of some traces for one watcher; None where there is nothing for them."""
    mine = [one for one in news if wanted.takes(one)]
    if not mine:
        return None
    mine.sort(key=lambda one: one.start_ns, reverse=True)
    shown = [
        {name: getattr(one, name) for name in TraceNews.__struct_fields__ if name != "parent_span_id"}
        for one in mine[:TRACES_SHOWN]
    ]
    return _encode({"items": shown, "left_out": len(mine) - len(shown)})


def _nearer(news: TraceNews) -> tuple[bool, int]:
    return bool(news.parent_span_id), news.start_ns
