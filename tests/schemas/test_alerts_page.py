"""docs/alerts.md says of each field, kind and default what the code says."""

import re
from datetime import datetime
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Struct
from msgspec.structs import fields

from lumina_schemas import alert as contract
from lumina_schemas.alert import Alert, AlertKind, Cause, CostPart, Signal
from lumina_schemas.rule import Rule
from lumina_schemas.score import QualityReason
from lumina_schemas.settings import Settings, variable
from lumina_streams.core.alert.kind import LEADING, kind_of
from lumina_streams.core.alert.links import links_of
from lumina_streams.core.alert.summary import SIGN_WORDS, SUMMARY_CHARS, quality_detail, summarise
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.baseline.moment import ms_of
from lumina_streams.core.project.period import DAY_MS
from lumina_streams.core.project.raising import SEVERITIES
from lumina_streams.core.project.summary import budget_summary, trace_summary
from lumina_streams.core.quality.lane import LEAST_BAD, LEAST_RISEN
from lumina_streams.core.series.rules import Rules

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
RECORDS: list[type[Struct]] = [
    record for record in vars(contract).values() if isinstance(record, type) and issubclass(record, Struct)
]
RECORDS.remove(Struct)


class Shown(Struct, kw_only=True, forbid_unknown_fields=True):
    """The part of a record that a signal's example shows."""

    kind: AlertKind
    summary: str
    signals: tuple[Signal, ...]
    cause: Cause | None = None
    impact_usd_per_h: float | None = None


class OfProject(Struct, kw_only=True, forbid_unknown_fields=True):
    """... that the example of an alert of a project shows."""

    kind: Literal["budget", "trace_limit"]
    severity: contract.Severity
    project: str
    service: str
    updated_at: str
    summary: str
    signals: tuple[Signal, ...]


OF_PROJECTS = sorted(contract.PROJECT_KINDS)


def section(title: str) -> str:
    """Text under a heading, up to the next one of any level."""
    found = re.search(rf"^###? {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {title}"
    return found[1]


def rows(text: str, header: str) -> list[list[str]]:
    """Cells of the table whose header row begins so."""
    table = text.split(f"| {header}", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip()[1:-1].split("|")] for row in table]


def blocks(mark: str) -> list[str]:
    return re.findall(rf"<!-- {mark} -->\n```json\n(.*?)```", PAGE, re.DOTALL)


def word(annotation: Any) -> str:
    """A field's type as the page names it."""
    if get_origin(annotation) in (Union, UnionType):
        (kept,) = (member for member in get_args(annotation) if member is not NoneType)
        return f"{word(kept)}, or absent"
    if get_origin(annotation) is tuple:
        return f"list of {word(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        return "map"
    if get_origin(annotation) is Literal:
        return "text"
    plain = {str: "text", int: "integer", float: "number"}
    return plain.get(annotation) or str(annotation.__name__)


@pytest.mark.parametrize("record", RECORDS)
def test_each_field_of_the_record_is_described_with_its_type(record: type[Struct]) -> None:
    hints = get_type_hints(record)
    described = {row[0]: row[1] for row in rows(section(record.__name__), "field |")}
    assert described == {f"`{one.encode_name}`": word(hints[one.name]) for one in fields(record)}
    assert all(row[2] for row in rows(section(record.__name__), "field |"))


@pytest.mark.parametrize(
    "values",
    [
        get_args(contract.AlertKind),
        get_args(contract.Unit),
        get_args(contract.AlertState),
        get_args(contract.Severity),
        get_args(contract.Reason),
        get_args(get_type_hints(CostPart)["what"]),
    ],
)
def test_each_value_is_named(values: tuple[str, ...]) -> None:
    assert [value for value in values if f"`{value}`" not in PAGE] == []


def test_each_signal_has_its_section_its_plot_and_its_example() -> None:
    kinds = [*LEADING, "cost_and_quality"]
    assert [kind for kind in kinds if f"![{kind}](plots/{kind}.svg)" not in section(kind)] == []
    shown = [msgspec.json.decode(block, type=Shown) for block in blocks("signal")]
    assert {one.kind for one in shown} == set(kinds) and len(shown) == len(kinds)
    first = list(dict.fromkeys(row[0].strip("`") for row in rows(section("Signals"), "kind |")))
    assert first == [*LEADING, *OF_PROJECTS]
    assert [block for kind in OF_PROJECTS for block in blocks("project") if block in section(kind)] == blocks(
        "project"
    )


@pytest.mark.parametrize("block", blocks("project"))
def test_an_example_of_a_project_says_what_the_code_says(block: str) -> None:
    shown = msgspec.json.decode(block, type=OfProject)
    (signal,) = shown.signals
    now_ms = ms_of(datetime.fromisoformat(shown.updated_at))
    day = ms_of(datetime.fromisoformat(signal.since)) // DAY_MS
    limit, level = signal.baseline.p50, round(signal.ratio * 100 / signal.significance)
    assert SEVERITIES[level] == shown.severity
    assert signal.ratio == pytest.approx(signal.value / limit)
    if shown.kind == "budget":
        said = budget_summary(shown.project, shown.service, "day", day, signal.value, limit, now_ms)
    else:
        said = trace_summary(shown.project, day, signal.value, limit, level, now_ms)
    assert said == shown.summary


def check(shown: Shown | Alert) -> None:
    since = min(ms_of(datetime.fromisoformat(signal.since)) for signal in shown.signals)
    said = summarise(
        "checkout", "answer", shown.kind, shown.signals, since, since, shown.cause, shown.impact_usd_per_h
    )
    assert said == shown.summary
    assert kind_of([signal.kind for signal in shown.signals]) == shown.kind
    for signal in shown.signals:
        if signal.baseline.p50:
            assert signal.ratio == pytest.approx(signal.value / signal.baseline.p50, rel=1e-3)


@pytest.mark.parametrize("block", blocks("signal"))
def test_an_example_says_what_the_code_says(block: str) -> None:
    check(msgspec.json.decode(block, type=Shown))


def test_the_whole_example_is_a_record() -> None:
    (block,) = blocks("example")
    record = msgspec.json.decode(block, type=Alert)
    assert set(msgspec.json.decode(block)) <= {one.encode_name for one in fields(Alert)}
    check(record)
    links = links_of(record.id, record.project, record.service, record.endpoint, 0, record.top_spans)
    assert set(links) == set(record.links)
    assert record.links["self"] == links["self"] and record.links["trace_1"] == links["trace_1"]
    parts = {part.what: part.usd_per_h for part in record.cost_split}
    assert tuple(parts) == get_args(get_type_hints(CostPart)["what"])
    assert sum(parts.values()) - parts["volume"] == pytest.approx(record.impact_usd_per_h)


def test_the_defaults_are_those_of_the_settings() -> None:
    table = rows(section("Defaults"), "setting |")
    told = {row[0].strip("`"): (row[1].strip("`"), float(row[2])) for row in table}
    shared = [name for name in Rules.__struct_fields__ if name in Settings.model_fields]
    expected = {
        variable(name): (
            name if name in Rule.__struct_fields__ else "",
            float(Settings.model_fields[name].default),
        )
        for name in [*shared, "max_series"]
    }
    assert told == expected
    assert all(row[3] for row in table)


def test_the_length_of_a_summary_is_told() -> None:
    assert f"at most {SUMMARY_CHARS} characters" in PAGE


def test_each_reason_of_bad_answers_is_told_in_the_words_of_the_alert() -> None:
    told = {
        row[0].strip("`"): row[1].removeprefix("... ") for row in rows(section("quality_drop"), "reason |")
    }
    assert set(told) == set(SIGN_WORDS) == {reason for reason in get_args(QualityReason) if reason}
    for reason, words in told.items():
        said = quality_detail(Excursion(0, n=20, bad=17, signs={reason: 17}))
        assert said == f"85% {words}"


def test_the_least_drop_is_told() -> None:
    assert (LEAST_BAD, LEAST_RISEN) == (3, 0.1)
    assert "three at least, and a tenth more" in section("quality_drop")
