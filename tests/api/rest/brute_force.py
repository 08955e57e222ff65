"""What lists must answer, worked out over plain records in Python: slow, short, and without SQL."""

from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import msgspec

from lumina_api.views.batch import nanoseconds
from lumina_schemas.score import Score
from lumina_schemas.span import Content, Message, Span

Key = tuple[str, str, str]
Asked = dict[str, Any]


def key_of(record: Span | Score | Content) -> Key:
    return record.project, record.trace_id, record.span_id


@dataclass(frozen=True)
class World:
    """Everything that is in the views."""

    spans: list[Span]
    scores: dict[Key, Score] = field(default_factory=dict)
    contents: list[Content] = field(default_factory=list)

    @property
    def calls(self) -> list[Span]:
        return [span for span in self.spans if span.priced]

    @property
    def traces(self) -> list[list[Span]]:
        found: dict[tuple[str, str], list[Span]] = defaultdict(list)
        for span in self.spans:
            found[span.project, span.trace_id].append(span)
        return list(found.values())


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def lower(text: str) -> str:
    """Letter by letter: none becomes two."""
    return "".join(letter.lower() if len(letter.lower()) == 1 else letter for letter in text)


def json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def says(record: Span | Content, text: str) -> bool:
    """Whether a system prompt or a message says it."""

    def within(value: Any) -> bool:
        if value is None:
            return False
        if isinstance(value, str):
            return lower(text) in lower(value)
        return lower(json(text)[1:-1]) in lower(json(value))

    def of(message: Message) -> bool:
        return any(
            within(value)
            for part in message.parts
            for value in (part.content, part.name, part.arguments, part.result)
        )

    return within(record.system) or any(map(of, (*record.input_messages, *record.output_messages)))


def has_attributes(span: Span, asked: list[tuple[str, str | None]]) -> bool:
    """Each of the keys, with any of the values that are asked of it; with None alone it must be there."""
    values: dict[str, list[str]] = defaultdict(list)
    for key, value in asked:
        values[key] += [] if value is None else [value]
    return all(
        any(
            key in side and (not wanted or any(equals(side[key], value) for value in wanted))
            for side in (span.attributes, span.resource)
        )
        for key, wanted in values.items()
    )


def equals(value: Any, text: str) -> bool:
    if isinstance(value, str):
        return value == text
    if isinstance(value, float):
        try:
            return value == float(text)
        except ValueError:
            return False
    return json(value) == text


def parameters(asked: Asked) -> Asked:
    """The same as REST takes it."""
    if "attribute" not in asked:
        return asked
    texts = [
        key.replace("\\", "\\\\").replace("=", "\\=") + ("" if value is None else f"={value}")
        for key, value in asked["attribute"]
    ]
    return asked | {"attribute": texts}


def total(span: Span) -> int | None:
    known = [count for count in (span.input_tokens, span.output_tokens) if count is not None]
    return sum(known) if known else None


def at_least(value: float | None, bound: float) -> bool:
    return value is not None and value >= bound


def at_most(value: float | None, bound: float) -> bool:
    return value is not None and value <= bound


def quality(world: World, span: Span) -> float | None:
    score = world.scores.get(key_of(span))
    return None if score is None else score.quality


def reason(world: World, span: Span) -> str | None:
    score = world.scores.get(key_of(span))
    return None if score is None else score.quality_reason


def told(world: World, span: Span, text: str) -> bool:
    late = (content for content in world.contents if key_of(content) == key_of(span))
    return says(span, text) or any(says(content, text) for content in late)


MATCHES: dict[str, Callable[[World, Span, Any], bool]] = {
    "project": lambda _, span, asked: span.project in as_list(asked),
    "service": lambda _, span, asked: span.service in as_list(asked),
    "endpoint": lambda _, span, asked: span.endpoint in as_list(asked),
    "model": lambda _, span, asked: bool({span.request_model, span.response_model} & {*as_list(asked)}),
    "provider": lambda _, span, asked: span.provider in as_list(asked),
    "status": lambda _, span, asked: span.status in as_list(asked),
    "environment": lambda _, span, asked: span.environment in as_list(asked),
    "release": lambda _, span, asked: span.release in as_list(asked),
    "session_id": lambda _, span, asked: span.session_id in as_list(asked),
    "user_id": lambda _, span, asked: span.user_id in as_list(asked),
    "prompt_name": lambda _, span, asked: span.prompt_name in as_list(asked),
    "prompt_version": lambda _, span, asked: span.prompt_version in as_list(asked),
    "tag": lambda _, span, asked: bool({*span.tags} & {*as_list(asked)}),
    "trace_id": lambda _, span, asked: span.trace_id == asked.lower(),
    "since": lambda _, span, asked: span.start_ns >= nanoseconds(asked),
    "until": lambda _, span, asked: span.start_ns < nanoseconds(asked),
    "min_cost": lambda _, span, asked: at_least(span.cost_usd, asked),
    "max_cost": lambda _, span, asked: at_most(span.cost_usd, asked),
    "min_duration_ms": lambda _, span, asked: at_least(span.duration_ms, asked),
    "max_duration_ms": lambda _, span, asked: at_most(span.duration_ms, asked),
    "min_ttft_ms": lambda _, span, asked: at_least(span.ttft_ms, asked),
    "max_ttft_ms": lambda _, span, asked: at_most(span.ttft_ms, asked),
    "min_input_tokens": lambda _, span, asked: at_least(span.input_tokens, asked),
    "max_input_tokens": lambda _, span, asked: at_most(span.input_tokens, asked),
    "min_output_tokens": lambda _, span, asked: at_least(span.output_tokens, asked),
    "max_output_tokens": lambda _, span, asked: at_most(span.output_tokens, asked),
    "min_total_tokens": lambda _, span, asked: at_least(total(span), asked),
    "max_total_tokens": lambda _, span, asked: at_most(total(span), asked),
    "cost_status": lambda _, span, asked: span.cost_status in as_list(asked),
    "min_quality": lambda world, span, asked: at_least(quality(world, span), asked),
    "max_quality": lambda world, span, asked: at_most(quality(world, span), asked),
    "quality_reason": lambda world, span, asked: reason(world, span) in as_list(asked),
    "attribute": lambda _, span, asked: has_attributes(span, asked),
    "text": told,
}

# What a trace or session is asked for as a whole.
OF_SUMS = {
    *("status", "min_cost", "max_cost", "min_duration_ms", "max_duration_ms"),
    *("min_input_tokens", "max_input_tokens", "min_output_tokens", "max_output_tokens"),
    *("min_total_tokens", "max_total_tokens"),
}
OF_TIME = {"since", "until"}


def matching(world: World, spans: Sequence[Span], asked: Asked) -> list[Span]:
    return [span for span in spans if all(MATCHES[name](world, span, value) for name, value in asked.items())]


def calls(world: World, asked: Asked) -> list[Span]:
    return matching(world, world.calls, asked)


@dataclass(frozen=True)
class Whole:
    """A trace or a session, with the sums that it is narrowed and shown by."""

    spans: list[Span]

    @property
    def start_ns(self) -> int:
        return min(span.start_ns for span in self.spans)

    @property
    def duration_ms(self) -> float:
        return round(
            max(span.start_ns / 1e6 + span.duration_ms for span in self.spans) - self.start_ns / 1e6, 3
        )

    @property
    def calls(self) -> list[Span]:
        return [span for span in self.spans if span.priced]

    @property
    def cost_usd(self) -> float | None:
        known = [span.cost_usd for span in self.calls if span.cost_usd is not None]
        return round(sum(known), 9) if known else None

    @property
    def coverage(self) -> float | None:
        known = [span for span in self.calls if span.cost_usd is not None]
        return len(known) / len(self.calls) if self.calls else None

    @property
    def input_tokens(self) -> int:
        return sum(span.input_tokens or 0 for span in self.calls)

    @property
    def output_tokens(self) -> int:
        return sum(span.output_tokens or 0 for span in self.calls)

    @property
    def errors(self) -> int:
        return sum(span.status == "error" for span in self.spans)

    @property
    def status(self) -> str:
        found = {span.status for span in self.spans}
        return "error" if "error" in found else "ok" if "ok" in found else "unset"

    @property
    def session_id(self) -> str:
        return max(span.session_id for span in self.spans)

    def worst_quality(self, world: World) -> float | None:
        return min(
            (world.scores[key].quality for key in map(key_of, self.spans) if key in world.scores),
            default=None,
        )

    def fits(self, asked: Asked) -> bool:
        """Whether the sums are as asked."""
        total_tokens = self.input_tokens + self.output_tokens
        sums: dict[str, float | None] = {
            "cost": self.cost_usd,
            "duration_ms": self.duration_ms,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": total_tokens,
        }
        for name, value in asked.items():
            side, _, what = name.partition("_")
            if name == "status" and self.status not in as_list(value):
                return False
            if side == "min" and not at_least(sums[what], value):
                return False
            if side == "max" and not at_most(sums[what], value):
                return False
        return True


def parted(asked: Asked, *others: str) -> tuple[Asked, Asked, Asked]:
    """What is asked of one span, of the sums, and the rest: of the time and `others`."""
    rest = OF_TIME | {*others}
    return (
        {name: value for name, value in asked.items() if name not in OF_SUMS | rest},
        {name: value for name, value in asked.items() if name in OF_SUMS},
        {name: value for name, value in asked.items() if name in rest},
    )


def in_time(start_ns: int, asked: Asked) -> bool:
    return ("since" not in asked or start_ns >= nanoseconds(asked["since"])) and (
        "until" not in asked or start_ns < nanoseconds(asked["until"])
    )


def traces(world: World, asked: Asked) -> list[list[Span]]:
    of_span, of_sums, time = parted(asked)
    return [
        trace
        for trace in world.traces
        if matching(world, trace, of_span)
        and Whole(trace).fits(of_sums)
        and in_time(Whole(trace).start_ns, time)
    ]


def sessions(world: World, asked: Asked) -> dict[tuple[str, str], list[list[Span]]]:
    """Traces of each session, by project and session."""
    of_span, of_sums, rest = parted(asked, "session_id")
    found: dict[tuple[str, str], list[list[Span]]] = defaultdict(list)
    for trace in world.traces:
        if Whole(trace).session_id and in_time(Whole(trace).start_ns, rest):
            found[trace[0].project, Whole(trace).session_id].append(trace)
    return {
        (project, session): its
        for (project, session), its in found.items()
        if any(matching(world, trace, of_span) for trace in its)
        and ("session_id" not in rest or session in as_list(rest["session_id"]))
        and Whole([span for trace in its for span in trace]).fits(of_sums)
    }


FACETS: dict[str, Callable[[World, Span], Set[str | None]]] = {
    "service": lambda _, span: {span.service},
    "endpoint": lambda _, span: {span.endpoint},
    "model": lambda _, span: {span.request_model, span.response_model} - {""},
    "provider": lambda _, span: {span.provider} - {""},
    "status": lambda _, span: {"ok", "unset", "error"},
    "environment": lambda _, span: {span.environment},
    "prompt_name": lambda _, span: {span.prompt_name},
    "prompt_version": lambda _, span: {span.prompt_version},
    "tag": lambda _, span: {*span.tags} - {""},
    "user_id": lambda _, span: {span.user_id},
    "cost_status": lambda _, span: {span.cost_status} - {None},
    "quality_reason": lambda world, span: {reason(world, span)} - {None},
}


def facet(
    world: World, name: str, asked: Asked, listed: Callable[[World, Asked], Sequence[object]]
) -> dict[str | None, int]:
    """How many items a list has for each value; `listed` is that list."""
    values = {value for span in world.spans for value in FACETS[name](world, span)}
    counts = {value: len(listed(world, asked | {name: value})) for value in values}
    return {value: count for value, count in counts.items() if count}
