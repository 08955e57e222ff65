"""What lists are narrowed to, as SQL: the conditions of `views.sql` with the values that they name.

One grammar serves every list. A condition speaks of columns that spans, traces and sessions have alike, so
that the same filter narrows a call by its own cost and a trace by the sum of its calls.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import NamedTuple

import msgspec

from lumina_schemas.views import part

MAX_NS = 2**63 - 1
DAY_NS = 86_400 * 10**9

# How far the clock of a sender may be ahead of the broker's for its late prompts and answers to be looked
# through.
CLOCKS_NS = DAY_NS


class Attribute(NamedTuple):
    """An attribute of a span, or of the resource that sent it, by its key."""

    key: str
    values: tuple[str, ...] = ()
    """Any of them, as text; () asks only that it is there."""


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to, by the names of `views.sql`'s conditions; None and () mean anything."""

    project: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    session_id: tuple[str, ...] = ()
    user_id: tuple[str, ...] = ()
    prompt_name: tuple[str, ...] = ()
    prompt_version: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    cost_status: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    trace_id: str | None = None
    since: int | None = None
    until: int | None = None
    min_cost: float | None = None
    max_cost: float | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    min_ttft_ms: float | None = None
    max_ttft_ms: float | None = None
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None
    min_output_tokens: int | None = None
    max_output_tokens: int | None = None
    min_total_tokens: int | None = None
    max_total_tokens: int | None = None
    min_quality: float | None = None
    max_quality: float | None = None
    quality_reason: tuple[str, ...] = ()
    attribute: tuple[Attribute, ...] = ()
    text: str | None = None

    def without(self, *names: str) -> "Filters":
        """The same without these."""
        nothing = Filters()
        return replace(self, **{name: getattr(nothing, name) for name in names})


@dataclass(frozen=True)
class Condition:
    """A piece of SQL with the parameters that it names."""

    sql: str
    parameters: Mapping[str, object]

    @property
    def asks(self) -> bool:
        """Whether there is anything that does not fulfil it."""
        return self.sql != "true"


ANYTHING = Condition("true", {})

# What a sum over several spans has too: a trace and a session are asked for these as a whole.
SUM_FILTERS = (
    *("status", "min_cost", "max_cost", "min_duration_ms", "max_duration_ms"),
    *("min_input_tokens", "max_input_tokens", "min_output_tokens", "max_output_tokens"),
    *("min_total_tokens", "max_total_tokens"),
)
TIME_FILTERS = ("since", "until")
PLACE_FILTERS = ("project", "trace_id", *TIME_FILTERS)
TRACE_FILTERS = (*PLACE_FILTERS, *SUM_FILTERS)

# What one span of a trace fulfils at once, beside its score, attributes and text.
_SPAN_FILTERS = (
    *("service", "endpoint", "model", "provider", "environment", "release"),
    *("session_id", "user_id", "prompt_name", "prompt_version", "tag", "cost_status"),
    *("min_ttft_ms", "max_ttft_ms"),
)
_SCORE_FILTERS = ("min_quality", "max_quality", "quality_reason")
_ALERT_FILTERS = ("state", "kind", "severity", "project", "service", "endpoint")


def of_calls(filters: Filters) -> Condition:
    """What a call must fulfil."""
    return both(
        where_of(filters, (*PLACE_FILTERS, *_SPAN_FILTERS, *SUM_FILTERS)),
        _looked_up(filters, where_of(filters, PLACE_FILTERS)),
    )


def of_spans(filters: Filters, place: Condition) -> Condition:
    """What one of its spans must fulfil for a trace to be listed; `place` tells where these lie."""
    return both(where_of(filters, _SPAN_FILTERS), _looked_up(filters, place))


def of_alerts(filters: Filters) -> Condition:
    """What an alert must fulfil; its time is that of its opening."""
    return both(
        where_of(filters, _ALERT_FILTERS),
        named("opened_since", "since", filters.since),
        named("opened_until", "until", filters.until),
    )


def around(filters: Filters) -> Condition:
    """Project, trace and time of the spans of traces that began in the asked time. None of a trace's spans
    begins before the trace does; a day between two makes two traces of one.
    """
    until = None if filters.until is None else min(MAX_NS, filters.until + DAY_NS)
    return where_of(replace(filters, until=until), PLACE_FILTERS, suffix="_around")


def matching(filters: Filters) -> Condition:
    """That a trace has one span which fulfils all that is asked of spans at once."""
    place = around(filters)
    match = of_spans(filters, place)
    if not match.asks:
        return match
    sql = part("traces.matching").format(spans=place.sql, match=match.sql)
    return Condition(sql, both(place, match).parameters)


def looks_up(filters: Filters) -> bool:
    """Whether more than plain columns of spans decide."""
    return filters.text is not None or where_of(filters, _SCORE_FILTERS).asks


def where_of(filters: Filters, names: Iterable[str], suffix: str = "") -> Condition:
    """The conditions of these names; parameters get the suffix."""
    return both(*(named(name, name, getattr(filters, name), suffix) for name in names))


def named(condition: str, parameter: str, value: object, suffix: str = "") -> Condition:
    """One condition; anything where its value is None or ()."""
    if value is None or value == ():
        return ANYTHING
    sql = part(f"condition.{condition}").replace(f"${parameter}", f"${parameter}{suffix}")
    return Condition(sql, {f"{parameter}{suffix}": list(value) if isinstance(value, tuple) else value})


def both(*conditions: Condition) -> Condition:
    """All of the conditions at once."""
    asked = [condition for condition in conditions if condition.asks]
    parameters: dict[str, object] = {}
    for condition in asked:
        parameters |= condition.parameters
    return Condition(" AND ".join(condition.sql for condition in asked) or "true", parameters)


def scored(filters: Filters, place: Condition) -> Condition:
    """What the score of a span must fulfil; `place` narrows the scores that are looked through."""
    asked = where_of(filters, _SCORE_FILTERS)
    if not asked.asks:
        return asked
    within = both(asked, place)
    return Condition(part("condition.scored").format(where=within.sql), within.parameters)


def _looked_up(filters: Filters, place: Condition) -> Condition:
    """Scores, attributes and texts; after plain columns, for DuckDB asks in this order."""
    attributes = (_attribute(wanted, number) for number, wanted in enumerate(filters.attribute))
    return both(scored(filters, place), *attributes, _text(filters))


def _attribute(wanted: Attribute, number: int) -> Condition:
    """An attribute of the span or of its resource.

    A JSON pointer (RFC 6901) names a key whatever its characters. Most rows do not have it, which a look for
    the key as JSON writes it tells without parsing.
    """
    names = {name: f"${name}_{number}" for name in ("pointer", "key", "values", "numbers")}
    has = part("attribute.equals" if wanted.values else "attribute.exists")
    sides = [
        part("attribute.in").format(column=column, has=has.format(column=column, **names), key=names["key"])
        for column in ("attributes", "resource")
    ]
    parameters: dict[str, object] = {
        f"pointer_{number}": "/" + wanted.key.replace("~", "~0").replace("/", "~1"),
        f"key_{number}": _json(wanted.key),
    }
    if wanted.values:
        parameters[f"values_{number}"] = list(wanted.values)
        parameters[f"numbers_{number}"] = [
            value for value in map(_number, wanted.values) if value is not None
        ]
    return Condition(f"({' OR '.join(sides)})", parameters)


def _text(filters: Filters) -> Condition:
    """A text in the prompt or the answer of a span, also of those that came later than the span."""
    if filters.text is None:
        return ANYTHING
    sides = {name: part("text.in").format(column=name) for name in ("input_messages", "output_messages")}
    said = part("text.said").format(**sides)
    late = where_of(
        Filters(project=filters.project, trace_id=filters.trace_id), ("project", "trace_id"), "_late"
    )
    sql = part("condition.text").format(said=said, late=late.sql)
    return Condition(
        sql,
        {
            "text": filters.text,
            # As it stands inside of a JSON string.
            "text_json": _json(filters.text)[1:-1],
            "text_since": max(0, (filters.since or 0) - CLOCKS_NS),
            **late.parameters,
        },
    )


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
