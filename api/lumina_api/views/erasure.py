"""What is not to be seen any more: erasures in force, the traces that they meet, and taking those out.

An erasure of a project is a time. One of a user or session is of whole traces: those with a span that carries
the id and started before its time. Which traces these are is remembered with the erasure, so that their
other spans, contents, scores and corrections go too, whatever comes first.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import duckdb
import msgspec

from lumina_api.views.batch import Arrival, CorrectionRow, Erasure, ScoreRow, StoredAlert
from lumina_api.views.rollup import STEP_NS
from lumina_api.views.traces import TraceKey
from lumina_schemas.views import part

OF_PROJECT = ("contents", "spans", "traces", "corrections", "scores", "alerts")
"""Tables that an erasure of a project empties up to its time, by parts `erase_<table>`."""

OF_TRACES = ("contents", "spans", "traces", "corrections", "scores")
"""Tables that hold rows of traces: `project` and `trace_id`."""


class Met(NamedTuple):
    """A trace that an erasure has met, and a series that it has spans in."""

    erasure: str
    project: str
    trace_id: str
    series_id: str


class Erasures:
    """The erasures of one file, as its only writer knows them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        rows = connection.execute(part("erasures")).fetchall()
        met = {Met(*row) for row in connection.execute(part("erased.met")).fetchall()}
        self._now = Erased({id: Erasure(*record) for id, *record in rows}, met)

    def write(self, new: Mapping[str, Erasure | None], spans: Iterable[Any]) -> "Erased":
        """Apply what a batch brings, new erasures and spans, to what is stored, in the transaction that is
        open. Call `keep` with what it returns once that is written.
        """
        in_force, met = dict(self._now.in_force), self._now.met
        for id, erasure in new.items():
            if erasure is None:
                for what in ("remove_erasure", "erased.forget"):
                    self._connection.execute(part(what), {"id": id})
                in_force.pop(id, None)
                met = {one for one in met if one.erasure != id}
                continue
            in_force[id] = erasure
            self._connection.execute(part("set_erasure"), {"id": id} | _values(erasure))
            if erasure.whole_project:
                values = {"project": erasure.project, "before_ns": erasure.before_ns}
                for table in OF_PROJECT:
                    self._connection.execute(part(f"erase_{table}"), values)
        before = Erased(in_force, met) if new else self._now
        fresh = (self._met_by_stored(new) | _met_by_arriving(before, spans)) - met
        if not fresh:
            return before
        self._remember(fresh)
        buckets = self._take_out({(one.project, one.trace_id) for one in fresh})
        erased = Erased(in_force, met | fresh, buckets)
        self._redact(erased, {one.project for one in fresh})
        return erased

    def keep(self, erased: "Erased") -> None:
        """The transaction is written."""
        self._now, erased.buckets = erased, []

    def _met_by_stored(self, new: Mapping[str, Erasure | None]) -> set[Met]:
        found: set[Met] = set()
        for id, erasure in new.items():
            if erasure is not None and not erasure.whole_project:
                rows = self._connection.execute(part("erased.carriers"), _values(erasure)).fetchall()
                found.update(Met(id, erasure.project, *row) for row in rows)
        return found

    def _remember(self, fresh: set[Met]) -> None:
        columns = list(zip(*sorted(fresh), strict=True))
        names = ("erasures", "projects", "traces", "series")
        self._connection.execute(
            part("erased.remember"),
            {name: list(column) for name, column in zip(names, columns, strict=True)},
        )

    def _take_out(self, traces: set[TraceKey]) -> list[int]:
        """Delete the stored rows of these traces; returns the buckets of the roll-up that they were in."""
        values: dict[str, object] = {
            "projects": [project for project, _ in traces],
            "traces": [trace_id for _, trace_id in traces],
        }
        buckets = self._connection.execute(part("erased.buckets"), values | {"step_ns": STEP_NS}).fetchall()
        for table in OF_TRACES:
            self._connection.execute(part("erased.delete").format(table=table), values)
        return [bucket for (bucket,) in buckets]

    def _redact(self, erased: "Erased", projects: set[str]) -> None:
        """Take what the traces told out of the stored alerts."""
        rows = self._connection.execute(part("erased.alerts"), {"projects": sorted(projects)}).fetchall()
        for id, project, series_id, opened_ns, trace_ids, record in rows:
            text = erased.redacted(project, series_id, opened_ns, trace_ids, record)
            if text != record:
                kept = [trace for trace in trace_ids if (project, trace) not in erased.traces]
                values = {"id": id, "trace_ids": kept, "record": text}
                self._connection.execute(part("erased.redact"), values)


class Erased:
    """What the erasures in force hide."""

    def __init__(self, in_force: dict[str, Erasure], met: set[Met], buckets: Iterable[int] = ()) -> None:
        self.in_force, self.met = in_force, met
        self.buckets = list(buckets)
        """Buckets of the roll-up in which stored calls have gone now."""
        self.traces: dict[TraceKey, set[str]] = {}
        """The erasures that have met a trace."""
        for one in met:
            self.traces.setdefault((one.project, one.trace_id), set()).add(one.erasure)
        self._before: dict[str, int] = {}
        self._series: dict[tuple[str, str], int] = {}
        for erasure in in_force.values():
            if erasure.whole_project:
                known = self._before.get(erasure.project, erasure.before_ns)
                self._before[erasure.project] = max(known, erasure.before_ns)
        for one in met:
            if one.erasure in in_force:
                place = one.project, one.series_id
                self._series[place] = max(in_force[one.erasure].before_ns, self._series.get(place, 0))

    def span(self, row: Any) -> bool:
        """Whether a span is hidden."""
        return self._hides(row.project, row.start_ns) or (row.project, row.trace_id) in self.traces

    def correction(self, row: CorrectionRow) -> bool:
        """Whether a correction is hidden."""
        return self._hides(row.project, row.start_ns) or (row.project, row.trace_id) in self.traces

    def score(self, row: ScoreRow) -> bool:
        """Whether a score is hidden."""
        return self._hides(row.project, row.start_ns) or (row.project, row.trace_id) in self.traces

    def content(self, arrival: Arrival) -> bool:
        """Whether a content is hidden."""
        row = arrival.row
        return self._hides(row.project, arrival.arrived_ns) or (row.project, row.trace_id) in self.traces

    def alert(self, alert: StoredAlert) -> bool:
        """Whether a whole alert is hidden."""
        return self._hides(alert.row.project, alert.opened_ns)

    def shown(self, alert: StoredAlert) -> StoredAlert:
        """The alert without what erased traces tell."""
        row = alert.row
        if not self.traces:
            return alert
        text = self.redacted(row.project, row.series_id, alert.opened_ns, alert.trace_ids, alert.record)
        if text == alert.record:
            return alert
        spans = tuple(span for span in row.top_spans if (row.project, span.trace_id) not in self.traces)
        return alert._replace(record=text, row=msgspec.structs.replace(row, top_spans=spans))

    def redacted(
        self, project: str, series_id: str, opened_ns: int, trace_ids: Iterable[str], record: str
    ) -> str:
        """An alert's record without the spans of erased traces, links to them, and quoted answers.

        An alert does not say whose answers it quotes: they go where an erased trace is among its evidence or
        was in its series before the erasure.
        """
        gone = {trace for trace in trace_ids if (project, trace) in self.traces}
        quoted = opened_ns < self._series.get((project, series_id), 0)
        if not gone and not (quoted and '"answers"' in record):
            return record
        told: dict[str, Any] = msgspec.json.decode(record)
        if not gone and "answers" not in told:
            return record
        told.pop("answers", None)
        if gone:
            told["top_spans"] = [span for span in told["top_spans"] if span["trace_id"] not in gone]
            links = told.get("links")
            if isinstance(links, dict):
                told["links"] = {
                    name: path for name, path in links.items() if not any(one in str(path) for one in gone)
                }
        return msgspec.json.encode(told).decode()

    def _hides(self, project: str, at_ns: int) -> bool:
        before = self._before.get(project)
        return before is not None and at_ns < before


def _met_by_arriving(erased: Erased, spans: Iterable[Any]) -> set[Met]:
    """Traces of arriving spans that carry an id which is to be erased, and further series of known ones."""
    personal = {id: erasure for id, erasure in erased.in_force.items() if not erasure.whole_project}
    if not personal:
        return set()
    rows = list(spans)
    carriers: dict[TraceKey, set[str]] = {}
    for row in rows:
        for id, erasure in personal.items():
            if erasure.meets(row):
                carriers.setdefault((row.project, row.trace_id), set()).add(id)
    found: set[Met] = set()
    for row in rows:
        trace = row.project, row.trace_id
        for id in carriers.get(trace, set()) | erased.traces.get(trace, set()):
            found.add(Met(id, row.project, row.trace_id, row.series_id))
    return found


def _values(erasure: Erasure) -> dict[str, object]:
    return {name: getattr(erasure, name) for name in erasure.__struct_fields__}
