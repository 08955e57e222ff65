"""What becomes of a request's body: the Kafka messages to produce, and what to tell the sender. Pure."""

from collections import Counter, deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lumina_api.gateway.status import Encoding
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DLQ
from lumina_schemas.usage import fingerprint
from lumina_streams.core.otlp import (
    MAX_ITEMS,
    TRACES,
    Signal,
    TooComplex,
    decode,
    decode_json,
    id_problem,
    project_of,
    split,
    valid_ids,
)

RECORD_OVERHEAD = 1_000
"""Bytes of a Kafka message beside its value, generously: batch and record framing, the project header."""


@dataclass(frozen=True)
class Intake:
    """A request understood. `messages` are encoded requests; without items there are none."""

    messages: tuple[bytes, ...]
    items: int
    rejected: int = 0
    problem: str = ""
    """In English, for the sender, where items are rejected."""
    traces: Mapping[str, Collection[int]] = field(default_factory=dict)
    """Fingerprints of the traces of all spans with valid ids, by project: what limits are about."""
    over_limit: Counter[str] = field(default_factory=Counter)
    """How many of the rejected ones the limit of the day has rejected, by project."""


NOTHING = Intake((), 0)
"""A request without items, or one that was not read."""


class Receiver:
    """Turns bodies into Intakes, for one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.max_message_bytes - RECORD_OVERHEAD
        self._dlq = settings.topic(DLQ)

    def receive(self, signal: Signal, encoding: Encoding, body: bytes, project: str | None = None) -> Intake:
        """`project` is what the door knows of it. Raises Undecodable, and TooComplex for what has more parts
        than is sane.

        A protobuf body that fits a message is passed on byte for byte. Spans with invalid ids are passed on
        too (normalise keeps them in the dlq) and counted as rejected.
        """
        if encoding == "json":
            body = decode_json(signal, body).SerializeToString()
        messages: list[bytes] = []
        problems: Counter[str] = Counter()
        traces: dict[str, set[int]] = {}
        items = 0
        waiting = deque(split(signal, body, self._limit))
        while waiting:
            part = waiting.popleft()
            request, mended = decode(signal, part)
            if len(mended) > self._limit:  # U+FFFD is longer than the byte that it replaces
                waiting.extendleft(reversed(split(signal, mended, self._limit)))
                continue
            count = signal.count(request)
            items += count
            if items > MAX_ITEMS:
                raise TooComplex(f"The request has more than {MAX_ITEMS} items: send smaller batches.")
            if signal is TRACES:
                _look_through(request, project, traces, problems)
            if count:
                messages.append(mended)
        rejected = problems.total()
        problem = self._explained(problems) if rejected else ""
        return Intake(tuple(messages), items, rejected, problem, traces)

    def without(
        self, intake: Intake, beyond: Mapping[str, Collection[int]], project: str | None, problem: str
    ) -> Intake:
        """The same without the spans of traces that are beyond their project's limit; `problem` says so."""
        messages: list[bytes] = []
        gone: Counter[str] = Counter()
        if _is_all(intake, beyond):
            gone.update(dict.fromkeys(beyond, intake.items))
        else:
            for message in intake.messages:
                request, _ = decode(TRACES, message)
                _remove(request, beyond, project, gone)
                if TRACES.count(request):
                    messages.append(request.SerializeToString())
        return replace(
            intake,
            messages=tuple(messages),
            rejected=intake.rejected + gone.total(),
            problem=f"{gone.total()} spans were not taken. {problem} {intake.problem}".rstrip(),
            over_limit=gone,
        )

    def _explained(self, problems: Counter[str]) -> str:
        found = ", ".join(f"{problem} ({count})" for problem, count in problems.most_common())
        return (
            f"{problems.total()} spans cannot be told apart and were not processed: {found}. All other spans "
            f"were accepted. The rejected ones are kept in the topic {self._dlq}."
        )


def _look_through(
    request: Any, given: str | None, traces: dict[str, set[int]], problems: Counter[str]
) -> None:
    """Check the ids of all spans, and note by project which traces they are of."""
    for group in request.resource_spans:
        project = project_of(group.resource, given)
        for scope in group.scope_spans:
            valid = [span.trace_id for span in scope.spans if valid_ids(span)]
            if valid:
                traces.setdefault(project, set()).update(map(fingerprint, set(valid)))
            if len(valid) < len(scope.spans):
                problems.update(str(id_problem(span)) for span in scope.spans if not valid_ids(span))


def _is_all(intake: Intake, beyond: Mapping[str, Collection[int]]) -> bool:
    """Whether it is plain without reading it again that nothing is left of a request."""
    return (
        not intake.rejected
        and len(intake.traces) == 1
        and all(len(traces) == len(beyond.get(name, ())) for name, traces in intake.traces.items())
    )


def _remove(
    request: Any, beyond: Mapping[str, Collection[int]], given: str | None, gone: Counter[str]
) -> None:
    """Take the spans of these traces out of a request, and count them by project."""
    for group in request.resource_spans:
        project = project_of(group.resource, given)
        traces = beyond.get(project)
        if traces is None:
            continue
        for scope in group.scope_spans:
            kept = [
                span
                for span in scope.spans
                if not valid_ids(span) or fingerprint(span.trace_id) not in traces
            ]
            if len(kept) < len(scope.spans):
                gone[project] += len(scope.spans) - len(kept)
                spared = type(scope)(spans=kept)
                del scope.spans[:]
                scope.spans.extend(spared.spans)
