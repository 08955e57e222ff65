"""From records of the log to what one transaction of the views writes.

Nothing here fails: what cannot be read is counted under a reason and left out, and its neighbours stay.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from lumina_api.views import decided
from lumina_api.views.columns import ContentRow, Int64, Moment, Row, SpanRow
from lumina_api.views.decided import AuditRow, MarkRow, SettingKey, SettingRow
from lumina_schemas.control import MARK
from lumina_schemas.correction import key_of
from lumina_schemas.project import KIND as PROJECT_KIND
from lumina_schemas.project import ProjectSettings
from lumina_schemas.topics import TYPE_HEADER
from lumina_streams.core.baseline.moment import ns_of

# What a decoder raises for bytes that are no such record; the last two for nesting and for broken UTF-8.
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class LogRecord(NamedTuple):
    """One record as read from Kafka. `topic` is its declared name, without prefix."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Erasure(Struct, frozen=True):
    """What the views take of an erasure (`lumina_schemas.erasure`)."""

    project: str
    before_ns: Int64
    user_id: str = ""
    session_id: str = ""

    @property
    def whole_project(self) -> bool:
        """Whether all of the project is meant, and no one user or session."""
        return not (self.user_id or self.session_id)

    def meets(self, span: Any) -> bool:
        """Whether a span makes its trace one of those of the user or session."""
        return (
            span.project == self.project
            and span.start_ns < self.before_ns
            and bool(
                (self.user_id and span.user_id == self.user_id)
                or (self.session_id and span.session_id == self.session_id)
            )
        )


ScoreKey = tuple[str, str, str, int]


class _TopSpan(Struct):
    trace_id: str


class AlertRow(Struct):
    """What the views index of an alert; the whole record is kept beside it."""

    id: str
    rev: Int64
    project: str
    service: str
    endpoint: str
    series_id: str
    kind: str
    state: str
    severity: str
    opened_at: str
    updated_at: str
    detected_at: str = ""
    resolved_at: str | None = None
    top_spans: tuple[_TopSpan, ...] = ()


class StoredAlert(NamedTuple):
    """An alert ready for its table: times in ns, the record as it came."""

    row: AlertRow
    opened_ns: int
    updated_ns: int
    resolved_ns: int | None
    record: str

    @property
    def trace_ids(self) -> list[str]:
        """Traces that the alert shows as evidence."""
        return sorted({span.trace_id for span in self.row.top_spans})


class Arrival(NamedTuple):
    """A content line and when its record reached the broker."""

    row: Row
    arrived_ns: int


class CorrectionRow(Struct):
    """What the views take of a correction."""

    project: str
    trace_id: str
    span_id: str
    start_ns: Moment
    cost_status: str
    at: datetime
    by: str = ""
    cost_usd: float | None = None
    cost_reason: str = ""
    price_version: str = ""

    @property
    def key(self) -> bytes:
        """The key under which it must lie."""
        return key_of(self.project, self.trace_id, self.span_id)


class ScoreRow(Struct, gc=False):
    """What the views take of a line of scores; its columns, by their names."""

    project: str
    trace_id: str
    span_id: str
    start_ns: Moment
    quality: Annotated[float, Meta(ge=0, le=1)]
    quality_tier: str  # a later writer's new literal is no reason to lose its line
    quality_reason: str = ""

    @property
    def key(self) -> ScoreKey:
        """Names the call that it belongs to."""
        return self.project, self.trace_id, self.span_id, self.start_ns

    @property
    def rank(self) -> tuple[float, str, str]:
        """Of two scores of a call the one of lower rank holds, whichever came first."""
        return self.quality, self.quality_tier, self.quality_reason


class _Tag(Struct):
    type: str


_LINE = msgspec.json.Decoder(SpanRow | ContentRow)
_TAG = msgspec.json.Decoder(_Tag)
_ALERT = msgspec.json.Decoder(AlertRow)
_CORRECTION = msgspec.json.Decoder(CorrectionRow)
_SCORE = msgspec.json.Decoder(ScoreRow)
_ERASURE = msgspec.json.Decoder(Erasure)

_PROJECT = msgspec.json.Decoder(ProjectSettings)

_ERASURE_KEY = "erasures/"

FIRST_REVISION = 1


@dataclass
class Batch:
    """What a run of records comes to. Later records of a key replace earlier ones as the log says."""

    spans: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    contents: list[Arrival] = field(default_factory=list)
    alerts: dict[str, StoredAlert] = field(default_factory=dict)
    opened: list[StoredAlert] = field(default_factory=list)
    """First revisions, also those that a later one replaces here."""
    removed_alerts: set[str] = field(default_factory=set)
    erasures: dict[str, Erasure | None] = field(default_factory=dict)
    retention: dict[str, float | None] = field(default_factory=dict)
    """Days by project; None: as for all others."""
    corrections: dict[bytes, CorrectionRow] = field(default_factory=dict)
    scores: dict[ScoreKey, ScoreRow] = field(default_factory=dict)
    settings: dict[SettingKey, SettingRow | None] = field(default_factory=dict)
    marks: dict[str, MarkRow] = field(default_factory=dict)
    audit: dict[str, AuditRow] = field(default_factory=dict)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    """Next offset by (topic, partition)."""
    lines: int = 0
    duplicates: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Lines and records left out, by reason."""

    def add(self, record: LogRecord) -> None:
        """Take in one record; its offset counts as read whatever it holds."""
        self.positions[record.topic, record.partition] = record.offset + 1
        if record.topic == "spans":
            self._add_spans(record)
        elif record.topic == "scores":
            self._add_scores(record)
        elif record.topic == "alerts":
            self._add_alert(record)
        elif record.topic == "corrections":
            self._add_correction(record)
        elif record.topic == "settings":
            self._keep_setting(record)
            self._add_setting(record)
        elif record.topic == "audit":
            self._add_audit(record)

    def _add_spans(self, record: LogRecord) -> None:
        for name, kind in record.headers:
            if name == TYPE_HEADER:  # a control message: for detect, and marks for people
                if kind == MARK:
                    self._add_mark(record)
                return
        value = record.value or b""
        readable = _is_utf8(value)
        for line in value.split(b"\n"):
            if not line or line.isspace():
                continue
            self.lines += 1
            if not readable and not _is_utf8(line):
                self.skipped["line is not UTF-8"] += 1
                continue
            try:
                row = _LINE.decode(line)
            except UNREADABLE:
                self.skipped[_why(line)] += 1
                continue
            if isinstance(row, SpanRow):
                self._add_span(row)
            else:
                self.contents.append(Arrival(row, record.timestamp_ms * 1_000_000))

    def _add_span(self, row: Row) -> None:
        stored = self.spans.setdefault(row.key, row)
        if stored is not row:
            self.duplicates += 1
            if row.src < stored.src:
                self.spans[row.key] = row

    def _add_scores(self, record: LogRecord) -> None:
        for line in (record.value or b"").split(b"\n"):
            if not line or line.isspace():
                continue
            try:
                row = _SCORE.decode(line)
            except UNREADABLE:
                self.skipped["line is no score"] += 1
                continue
            known = self.scores.setdefault(row.key, row)
            if known is not row and row.rank < known.rank:
                self.scores[row.key] = row

    def _add_alert(self, record: LogRecord) -> None:
        key = _text(record.key)
        if record.value is None:
            if key is not None:
                self.alerts.pop(key, None)
                self.removed_alerts.add(key)
            return
        try:
            text = record.value.decode()
            row = _ALERT.decode(record.value)
            alert = StoredAlert(
                row,
                nanoseconds(row.opened_at),
                nanoseconds(row.updated_at),
                nanoseconds(row.resolved_at) if row.resolved_at else None,
                text,
            )
        except (*UNREADABLE, ValueError, OverflowError):
            self.skipped["record is no alert"] += 1
            return
        if key != row.id:
            self.skipped["alert under a key that is not its id"] += 1
            return
        if row.rev == FIRST_REVISION:
            self.opened.append(alert)
        known = self.alerts.get(row.id)
        if known is None or row.rev > known.row.rev:
            self.alerts[row.id] = alert

    def _add_correction(self, record: LogRecord) -> None:
        """The last one of a key holds; an empty value says nothing (a new price takes an old one back)."""
        if record.value is None:
            return
        try:
            row = _CORRECTION.decode(record.value)
            nanoseconds_of(row.at)
            own = record.key == row.key and _is_utf8(record.value)
        except (*UNREADABLE, ValueError):
            self.skipped["record is no correction"] += 1
            return
        if not own:
            self.skipped["correction under a key that is not its call's"] += 1
            return
        self.corrections[row.key] = row

    def _add_setting(self, record: LogRecord) -> None:
        key = _text(record.key)
        if key is not None and key.startswith(PROJECT_KIND):
            self._add_project(key.removeprefix(PROJECT_KIND), record.value)
        if key is None or not key.startswith(_ERASURE_KEY):
            return  # another reader's kind
        if record.value is None:
            self.erasures[key.removeprefix(_ERASURE_KEY)] = None
            return
        try:
            self.erasures[key.removeprefix(_ERASURE_KEY)] = _ERASURE.decode(record.value)
        except UNREADABLE:
            self.skipped["record is no erasure"] += 1

    def _add_project(self, project: str, value: bytes | None) -> None:
        if value is None:
            self.retention[project] = None
            return
        try:
            self.retention[project] = _PROJECT.decode(value).retention_days
        except UNREADABLE:
            self.skipped["record is no project's settings"] += 1

    def _keep_setting(self, record: LogRecord) -> None:
        """Any kind, as it lies there; what is no JSON leaves the setting as it was, as its readers do."""
        try:
            key = decided.setting_key(record.key)
        except ValueError:
            self.skipped["setting under a key that is no kind/id"] += 1
            return
        if record.value is None:
            self.settings[key] = None
            return
        try:
            self.settings[key] = decided.setting_row(
                key, record.value, record.timestamp_ms, record.partition, record.offset
            )
        except UNREADABLE:
            if not f"{key[0]}/".startswith(_ERASURE_KEY):  # those are counted by their own reader
                self.skipped["setting is no JSON"] += 1

    def _add_mark(self, record: LogRecord) -> None:
        try:
            row = decided.mark_row(record.value or b"", record.partition, record.offset)
        except (*UNREADABLE, ValueError, OverflowError):
            self.skipped["record is no mark"] += 1
            return
        self.marks.setdefault(row.id, row)

    def _add_audit(self, record: LogRecord) -> None:
        try:
            row = decided.audit_row(record.value or b"")
        except (*UNREADABLE, ValueError, OverflowError):
            self.skipped["record is no audit entry"] += 1
            return
        self.audit.setdefault(row.id, row)


def batch_of(records: Iterable[LogRecord]) -> Batch:
    """One batch out of records, each partition's in the order of its log."""
    batch = Batch()
    for record in records:
        batch.add(record)
    return batch


def nanoseconds(moment: str) -> int:
    """Unix time in ns of an RFC 3339 time, exact to the microsecond. ValueError where it is none."""
    return nanoseconds_of(datetime.fromisoformat(moment))


def nanoseconds_of(at: datetime) -> int:
    """Unix time in ns of a time. ValueError where it has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone")
    return ns_of(at)


def _is_utf8(data: bytes) -> bool:
    # The decoder checks the strings that it builds, not those inside raw JSON.
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(key: bytes | None) -> str | None:
    try:
        return key.decode() if key is not None else None
    except UnicodeDecodeError:
        return None


def _why(line: bytes) -> str:
    try:
        kind = _TAG.decode(line).type
    except UNREADABLE:
        return "line is no JSON record"
    known = (SpanRow.__struct_config__.tag, ContentRow.__struct_config__.tag)
    return "line misses or mistypes a field" if kind in known else "line of an unknown type"
