"""The JSON Schemas say what the records are: checked against encoded records, not against themselves."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest

from lumina_schemas.alert import Alert, Baseline, Signal
from lumina_schemas.audit import AuditEntry
from lumina_schemas.baseline import MeasureBaseline, SeriesBaseline, WindowBaseline
from lumina_schemas.budget import Budget, BudgetChange
from lumina_schemas.call import call_of
from lumina_schemas.control import Command, Mark, Reached, SeriesCommand, SeriesMark, Tick
from lumina_schemas.correction import Correction
from lumina_schemas.erasure import Erasure
from lumina_schemas.jsonschema import FOLDER, RECORDS, files, schema
from lumina_schemas.key import ApiKey, KeyUse
from lumina_schemas.price import Price, PriceTier, TokenPrices
from lumina_schemas.project import ProjectSettings, Spend, SpendItem, Traces
from lumina_schemas.rule import Rule, RuleChange
from lumina_schemas.score import Score
from lumina_schemas.series import KnownSeries
from lumina_schemas.source import Source
from lumina_schemas.span import Content, Message, Part, Span
from lumina_schemas.usage import UsedTraces, packed

SRC = Source("epoch", "otlp", 1, 2, 3)
EXAMPLES: dict[str, msgspec.Struct] = {
    "used-traces": UsedTraces(
        v=1,
        project="p",
        day=20_000,
        replica="r",
        shift=1,
        refused_spans=2,
        fingerprints=packed([1, 2**32 - 1]),
    ),
    "span": Span(
        v=1,
        src=SRC,
        series_id="ab" * 8,
        trace_id="0" * 31 + "1",
        span_id="0" * 15 + "1",
        project="p",
        service="s",
        endpoint="e",
        name="chat",
        start_ns=1,
        duration_ms=2.5,
        output_messages=(Message("assistant", (Part("text", "hi"),)),),
    ),
    "content": Content(
        v=1, src=SRC, series_id="ab" * 8, trace_id="0" * 31 + "1", span_id="0" * 15 + "1", project="p"
    ),
    "alert": Alert(
        v=1,
        rev=1,
        id="i",
        kind="cost_spike",
        state="open",
        severity="warning",
        project="p",
        service="s",
        endpoint="e",
        series_id="ab" * 8,
        summary="dear",
        opened_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
        detected_at="2026-01-01T00:00:00Z",
        signals=(
            Signal("cost_spike", 2.0, Baseline(1.0, 2.0, 300, "24h"), 2.0, 1.1, 12, "2026-01-01T00:00:00Z"),
        ),
    ),
    "key": ApiKey(
        v=1, id="ab" * 8, sha256="0f" * 32, scopes=("read",), created_at=datetime(2026, 1, 1, tzinfo=UTC)
    ),
    "key-use": KeyUse(v=1, id="ab" * 8, at=datetime(2026, 1, 1, tzinfo=UTC)),
    "budget": Budget(v=1, project="p", period="day", usd=5.0),
    "budget-change": BudgetChange(v=1, id="b", src=SRC),
    "project": ProjectSettings(v=1, retention_days=30.0, daily_trace_limit=0),
    "erasure": Erasure(project="p", before_ns=1, user_id="u"),
    "spend": Spend(
        v=1,
        project="p",
        epoch="e",
        partition=0,
        items=(SpendItem(offset=1, service="s", day=20_000, calls=2, usd=0.1),),
    ),
    "traces": Traces(v=1, project="p", day=20_000, percent=90, traces=45_000, limit=50_000, at_ms=1),
    "audit": AuditEntry(
        v=1, id="i", at=datetime(2026, 1, 1, tzinfo=UTC), by="anonymous", action="rule.set", target="rules/a"
    ),
    "tick": Tick(v=1, sources={"epoch": 2}, reached=(Reached("epoch", 0, 7, 1),)),
    "command": Command(v=1, type="acknowledge", alert_id="i", series_id="ab" * 8, by="ada"),
    "series-command": SeriesCommand(
        v=1, src=SRC, type="resolve", alert_id="i", series_id="ab" * 8, by="ada", reason="false"
    ),
    "mark": Mark(v=1, type="mark", id="m", text="release 1.4", at=datetime.now(UTC), by="ada"),
    "series-mark": SeriesMark(
        v=1, src=SRC, type="mark", id="m", text="new prices", at=datetime.now(UTC), by="ada", expected=True
    ),
    "rule": Rule(v=1, project="p", cost_spike_pct=50.0),
    "rule-change": RuleChange(v=1, id="p", src=SRC, rule=Rule(v=1, min_samples=50)),
    "price": Price(
        model="llama-3*",
        input=0.1,
        tiers=(PriceTier(above=1000, input=0.2),),
        batch=TokenPrices(input=0.05),
        from_=date(2026, 1, 1),
    ),
    "score": Score(
        v=1,
        project="shop",
        series_id="0123456789abcdef",
        trace_id="0" * 31 + "1",
        span_id="0" * 15 + "1",
        start_ns=1_767_571_200_000_000_000,
        quality=0.1,
        quality_tier="signs",
        quality_reason="refusal",
    ),
    "correction": Correction(
        v=1,
        project="p",
        trace_id="0" * 31 + "1",
        span_id="0" * 15 + "1",
        start_ns=1,
        cost_usd=0.5,
        cost_status="exact",
        at=datetime(2026, 1, 1, tzinfo=UTC),
        by="lumina reprice",
    ),
    "series": KnownSeries(v=1, project="p", service="s", endpoint="e", since_ms=1, seen_ms=2, calls=True),
    "baseline": SeriesBaseline(
        v=1,
        project="p",
        service="s",
        endpoint="e",
        series_id="ab" * 8,
        state="learning",
        progress="learning (137/200, about 40 min)",
        calls=150,
        known=137,
        wanted=200,
        ready_in_min=39.4,
        calls_per_min=1.6,
        newest="2026-01-01T00:00:00.000Z",
        measures=(
            MeasureBaseline(
                measure="cost",
                unit="usd_per_call",
                windows=(
                    WindowBaseline(
                        window="1h",
                        n=137,
                        mean=0.005,
                        p50=0.004,
                        p95=0.009,
                        p99=0.02,
                        log_location=-5.5,
                        log_spread=0.4,
                    ),
                ),
            ),
        ),
    ),
}
EXAMPLES["call"] = call_of(EXAMPLES["span"])  # type: ignore[arg-type]


def test_every_record_has_a_file() -> None:
    assert set(files()) == {FOLDER / f"{name}.schema.json" for name in RECORDS}
    assert set(EXAMPLES) == set(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_has_the_fields_that_its_schema_names(name: str) -> None:
    described: dict[str, Any] = schema(RECORDS[name])
    body = described["$defs"][RECORDS[name].__name__]
    record = msgspec.json.decode(msgspec.json.encode(EXAMPLES[name]))
    assert set(body["required"]) <= set(record) <= set(body["properties"])
    # A reader that validates must accept fields of a later version.
    assert body.get("additionalProperties", True) is True


def test_a_source_is_an_array_of_five() -> None:
    source = schema(Span)["$defs"]["Source"]
    assert source["type"] == "array"
    assert len(source["prefixItems"]) == len(SRC) == source["minItems"] == source["maxItems"]
