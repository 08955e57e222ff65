"""Spans, alerts and records of the log for the tests of views and REST; seeded, believable, all different."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from lumina_api.views.batch import LogRecord
from lumina_schemas.alert import Alert, Signal, TopSpan
from lumina_schemas.alert import Baseline as AlertBaseline
from lumina_schemas.control import MARK, SeriesMark
from lumina_schemas.correction import Correction, key_of
from lumina_schemas.partition import series_id
from lumina_schemas.score import Score
from lumina_schemas.source import Source
from lumina_schemas.span import Content, Message, Part, Span, SpanError
from lumina_schemas.topics import TYPE_HEADER

EPOCH = "e" * 32
EPOCHS = dict.fromkeys(("spans", "alerts", "corrections", "scores", "settings", "audit"), EPOCH)
NOON_NS = 1_767_268_800_000_000_000  # 2026-01-01T12:00:00Z
SECOND_NS = 1_000_000_000


def message(role: str, text: str) -> Message:
    return Message(role, (Part("text", text),))


def span(number: int = 0, **changes: Any) -> Span:
    """A priced LLM call; `number` makes its ids, its start and its source position."""
    rng = random.Random(number)
    project, service, endpoint = (
        changes.get("project", "shop"),
        changes.get("service", "checkout"),
        changes.get("endpoint", "answer"),
    )
    values: dict[str, Any] = {
        "v": 1,
        "src": Source("0" * 32, "otlp", 0, number, 0),
        "series_id": series_id(project, service, endpoint),
        "trace_id": f"{rng.getrandbits(128):032x}",
        "span_id": f"{rng.getrandbits(64):016x}",
        "project": project,
        "service": service,
        "endpoint": endpoint,
        "name": "chat",
        "kind": "llm",
        "operation": "chat",
        "start_ns": NOON_NS + number * SECOND_NS,
        "duration_ms": 250.0 + number,
        "status": "ok",
        "provider": "openai",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "system": "Be brief.",
        "input_messages": (message("user", f"question {number}"),),
        "output_messages": (message("assistant", f"answer {number} <b>ünïcode</b>"),),
        "input_tokens": 100 + number,
        "output_tokens": 10,
        "cost_usd": 0.001 * (number % 7 + 1),
        "cost_status": "exact",
        "priced": True,
        "attributes": {"gen_ai.request.temperature": 0.5},
        "resource": {"service.name": service},
    }
    return Span(**(values | changes))


def content(of: Span, offset: int, **changes: Any) -> Content:
    """A content line that belongs to a span."""
    values: dict[str, Any] = {
        "v": 1,
        "src": Source("1" * 32, "otlp-logs", 0, offset, 0),
        "series_id": of.series_id,
        "trace_id": of.trace_id,
        "span_id": of.span_id,
        "project": of.project,
    }
    return Content(**(values | changes))


def alert(number: int = 0, **changes: Any) -> Alert:
    """An open cost spike."""
    values: dict[str, Any] = {
        "v": 1,
        "rev": 1,
        "id": f"00000000-0000-5000-8000-{number:012x}",
        "kind": "cost_spike",
        "state": "open",
        "severity": "warning",
        "project": "shop",
        "service": "checkout",
        "endpoint": "answer",
        "series_id": "0" * 16,
        "summary": "checkout/answer costs 2.0x",
        "opened_at": f"2026-01-01T12:{number % 60:02d}:00.000Z",
        "updated_at": f"2026-01-01T12:{number % 60:02d}:30.000Z",
        "detected_at": f"2026-01-01T12:{number % 60:02d}:00.050Z",
        "signals": (
            Signal(
                "cost_spike",
                0.002,
                AlertBaseline(0.001, 0.0015, 300, "24h"),
                2.0,
                1.4,
                12,
                "2026-01-01T11:59:00Z",
            ),
        ),
        "top_spans": (TopSpan(f"{number:032x}", f"{number:016x}", "2026-01-01T11:59:00Z", 0.004),),
    }
    return Alert(**(values | changes))


def correction(of: Span, **changes: Any) -> Correction:
    """A correction of a call, to another cost."""
    values: dict[str, Any] = {
        "v": 1,
        "project": of.project,
        "trace_id": of.trace_id,
        "span_id": of.span_id,
        "start_ns": of.start_ns,
        "cost_usd": 9.0,
        "cost_status": "exact",
        "price_version": "file:new@00000000",
        "at": datetime(2026, 1, 2, tzinfo=UTC),
        "by": "lumina reprice",
    }
    return Correction(**(values | changes))


def score(of: Span, quality: float = 0.1, **changes: Any) -> Score:
    """The score of a call's answer; by default that of a refusal."""
    values: dict[str, Any] = {
        "v": 1,
        "project": of.project,
        "series_id": of.series_id,
        "trace_id": of.trace_id,
        "span_id": of.span_id,
        "start_ns": of.start_ns,
        "quality": quality,
        "quality_tier": "signs",
        "quality_reason": "refusal",
    }
    return Score(**(values | changes))


@dataclass
class Log:
    """A log in memory: records appended to it have the offsets that Kafka would give."""

    ends: dict[tuple[str, int], int] = field(default_factory=dict)

    def _append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, **more: Any
    ) -> LogRecord:
        offset = self.ends.get((topic, partition), 0)
        self.ends[topic, partition] = offset + 1
        arrived_ms = more.pop("arrived_ms", NOON_NS // 1_000_000)
        return LogRecord(topic, partition, offset, arrived_ms, key, value, **more)

    def spans(self, lines: Iterable[Span | Content | bytes], partition: int = 0, **more: Any) -> LogRecord:
        encoded = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
        return self._append("spans", partition, None, b"\n".join(encoded), **more)

    def alert(self, record: Alert, partition: int = 0) -> LogRecord:
        return self._append("alerts", partition, record.id.encode(), msgspec.json.encode(record))

    def correction(self, of: Span, partition: int = 0, **changes: Any) -> LogRecord:
        record = correction(of, **changes)
        return self._append(
            "corrections",
            partition,
            key_of(record.project, record.trace_id, record.span_id),
            msgspec.json.encode(record),
        )

    def scores(self, lines: Iterable[Score | bytes], partition: int = 0) -> LogRecord:
        encoded = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
        return self._append("scores", partition, None, b"\n".join(encoded))

    def tombstone(self, topic: str, key: str) -> LogRecord:
        return self._append(topic, 0, key.encode(), None)

    def mark(self, record: SeriesMark) -> LogRecord:
        return self._append("spans", 0, None, msgspec.json.encode(record), headers=((TYPE_HEADER, MARK),))

    def setting(self, key: str, value: bytes) -> LogRecord:
        return self._append("settings", 0, key.encode(), value)

    def erasure(self, name: str, project: str, before_ns: int) -> LogRecord:
        value = msgspec.json.encode({"v": 1, "project": project, "before_ns": before_ns})
        return self._append("settings", 0, f"erasures/{name}".encode(), value)


ERRORS = (None, SpanError("RateLimitError", "too many"))


def mixed_spans(count: int, seed: int, newest_ns: int) -> list[Span]:
    """Spans of all sorts: several projects, models and kinds, some errors, some without a known cost."""
    rng = random.Random(seed)
    spans: list[Span] = []
    while len(spans) < count:
        project = rng.choice(["shop", "bank", "mail"])
        service = rng.choice(["web", "bot"])
        trace_id = f"{rng.getrandbits(128):032x}"
        start_ns = newest_ns - rng.randrange(20 * 3600) * SECOND_NS
        root = f"{rng.getrandbits(64):016x}"
        size = rng.randrange(1, 5)
        for place in range(size):
            kind = rng.choice(["llm", "llm", "embedding", "tool"]) if place else "agent"
            known = kind in ("llm", "embedding") and rng.random() < 0.8
            unknown = kind in ("llm", "embedding") and not known
            model = rng.choice(["gpt-4o", "gpt-4o-mini", "claude-3-5-haiku"])
            spans.append(
                span(
                    len(spans),
                    trace_id=trace_id,
                    span_id=root if place == 0 else f"{rng.getrandbits(64):016x}",
                    parent_span_id="" if place == 0 else root,
                    project=project,
                    service=service,
                    endpoint=rng.choice(["answer", "search"]),
                    name=f"{kind} {place}",
                    kind=kind,
                    start_ns=start_ns + place * SECOND_NS + rng.randrange(1000),
                    duration_ms=round(rng.expovariate(1 / 800), 3),
                    status=rng.choice(["ok", "ok", "unset", "error"]),
                    provider=rng.choice(["openai", "anthropic"]) if known or unknown else "",
                    request_model=model if known or unknown else "",
                    response_model=f"{model}-2024" if (known or unknown) and rng.random() < 0.5 else "",
                    cost_usd=round(rng.expovariate(200), 7) if known else None,
                    cost_status="exact" if known else "unknown" if unknown else None,
                    cost_reason="no price" if unknown else "",
                    priced=known or unknown,
                )
            )
    return spans[:count]
