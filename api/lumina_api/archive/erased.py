"""What the erasures in force hide of a log that still holds it: no export may bring it back."""

from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer
from msgspec import Struct

from lumina_api.log import partitions_of, records
from lumina_schemas.erasure import KIND, Erasure
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS, SPANS, TYPE_HEADER

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Line(Struct, frozen=True):
    project: str = ""
    trace_id: str = ""
    span_id: str = ""
    start_ns: int | None = None
    user_id: str = ""
    session_id: str = ""


_decode_erasure = msgspec.json.Decoder(Erasure).decode
_decode_line = msgspec.json.Decoder(_Line).decode


@dataclass
class Erased:
    """Traces and spans that are not to be seen, and the time before which nothing of a project is."""

    before_ns: dict[str, int] = field(default_factory=dict)
    traces: dict[tuple[str, str], int] = field(default_factory=dict)
    """(project, trace id) -> spans that started before are erased."""
    spans: set[tuple[str, str, str]] = field(default_factory=set)
    """Erased spans: what belongs to one may itself not say when it started."""

    def hides(self, project: str, trace_id: str, span_id: str, start_ns: int | None, arrived_ns: int) -> bool:
        """Whether a line is of what is erased; one without a start is judged by its span and its arrival."""
        if (project, trace_id, span_id) in self.spans:
            return True
        before = max(self.before_ns.get(project, 0), self.traces.get((project, trace_id), 0))
        return before > (arrived_ns if start_ns is None else start_ns)

    def hides_alert(self, project: str, opened_ns: int) -> bool:
        """Whether an alert is erased."""
        return opened_ns < self.before_ns.get(project, 0)


async def erased_in(settings: Settings, reader: AIOKafkaConsumer) -> Erased:
    """What is erased of an installation's log: a look through the settings, and where any hold, the spans."""
    found: dict[str, Erasure] = {}
    for partition in await partitions_of(settings, SETTINGS):
        async for record in records(reader, partition):
            name = (record.key or b"").decode("utf-8", "replace")
            if not name.startswith(KIND):
                continue
            found.pop(name, None)
            try:
                if record.value is not None:
                    found[name] = _decode_erasure(record.value)
            except UNREADABLE:
                continue
    erased = Erased()
    people = [erasure for erasure in found.values() if erasure.user_id or erasure.session_id]
    for erasure in found.values():
        if erasure not in people:
            known = erased.before_ns.get(erasure.project, 0)
            erased.before_ns[erasure.project] = max(known, erasure.before_ns)
    if not found:
        return erased
    for partition in await partitions_of(settings, SPANS):
        async for record in records(reader, partition):
            if any(name == TYPE_HEADER for name, _ in record.headers):
                continue
            for text in (record.value or b"").split(b"\n"):
                _note(erased, people, text)
    return erased


def _note(erased: Erased, people: list[Erasure], text: bytes) -> None:
    try:
        line = _decode_line(text)
    except UNREADABLE:
        return
    if line.start_ns is None:
        return
    if line.start_ns < erased.before_ns.get(line.project, 0):
        erased.spans.add((line.project, line.trace_id, line.span_id))
    for erasure in people:
        if erasure.project != line.project or line.start_ns >= erasure.before_ns:
            continue
        user = not erasure.user_id or erasure.user_id == line.user_id
        session = not erasure.session_id or erasure.session_id == line.session_id
        if user and session:
            trace = line.project, line.trace_id
            erased.traces[trace] = max(erased.traces.get(trace, 0), erasure.before_ns)
