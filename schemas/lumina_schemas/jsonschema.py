"""JSON Schemas of the records that cross a boundary, generated from their types: schemas/json/*.schema.json.

For consumers that are not Python. Records gain fields over time: a reader ignores those it does not know.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from lumina_schemas.alert import Alert
from lumina_schemas.audit import AuditEntry
from lumina_schemas.baseline import SeriesBaseline
from lumina_schemas.budget import Budget, BudgetChange
from lumina_schemas.call import Call
from lumina_schemas.control import Command, Mark, SeriesCommand, SeriesMark, Tick
from lumina_schemas.correction import Correction
from lumina_schemas.erasure import Erasure
from lumina_schemas.generated import run
from lumina_schemas.key import ApiKey, KeyUse
from lumina_schemas.price import Price
from lumina_schemas.project import ProjectSettings, Spend, Traces
from lumina_schemas.rule import Rule, RuleChange
from lumina_schemas.score import Score
from lumina_schemas.series import KnownSeries
from lumina_schemas.span import Content, Span
from lumina_schemas.usage import UsedTraces

RECORDS: dict[str, type[msgspec.Struct]] = {
    "span": Span,
    "content": Content,
    "alert": Alert,
    "tick": Tick,
    "command": Command,
    "series-command": SeriesCommand,
    "mark": Mark,
    "series-mark": SeriesMark,
    "rule": Rule,
    "rule-change": RuleChange,
    "price": Price,
    "key": ApiKey,
    "key-use": KeyUse,
    "budget": Budget,
    "budget-change": BudgetChange,
    "project": ProjectSettings,
    "erasure": Erasure,
    "spend": Spend,
    "traces": Traces,
    "used-traces": UsedTraces,
    "audit": AuditEntry,
    "correction": Correction,
    "score": Score,
    "call": Call,
    "series": KnownSeries,
    "baseline": SeriesBaseline,
}
"""Every public record by the name of its file."""

FOLDER = Path("schemas/json")


def schema(record: type[msgspec.Struct]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a record."""
    generated = msgspec.json.schema(record)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": record.__name__} | generated


def files() -> dict[Path, str]:
    """All schema files: path in the repository to text."""
    return {
        FOLDER / f"{name}.schema.json": json.dumps(schema(record), indent=2, ensure_ascii=False) + "\n"
        for name, record in RECORDS.items()
    }


if __name__ == "__main__":
    sys.exit(run(files()))
