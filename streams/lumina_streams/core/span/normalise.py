"""OTLP traces in, normalised and priced spans out: the whole of what the normalise agent decides. Pure.

Order of work: every span is read alone (`draft`), the drafts of the message are put into canonical order
and compared (`settlement`), then each becomes a `Span` with its series and its cost.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.mapping.fields import ENDPOINT, ENVIRONMENTS, PROJECT, RELEASES, SAMPLE_RATE, SERVICE
from lumina_schemas.mapping.usage import NATIVE_SCOPES
from lumina_schemas.partition import series_id
from lumina_schemas.series import OTHER
from lumina_schemas.source import Origin, Source
from lumina_schemas.span import SCHEMA_VERSION, Span
from lumina_streams.core.content.messages import prompt_digest, tool_calls_of
from lumina_streams.core.otlp.project import project_named
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.attributes import MAX_NAME_CHARS, plain
from lumina_streams.core.span.cost import price
from lumina_streams.core.span.draft import ENTRIES, MAX_NS, Context, Draft, draft_of
from lumina_streams.core.span.endpoint import attribute_of, endpoint_of
from lumina_streams.core.span.registry import SeriesRegistry
from lumina_streams.core.span.rejection import LIMIT_BYTES, Rejected, Rejections
from lumina_streams.core.span.sampling import share
from lumina_streams.core.span.settlement import NO_CALL, PARTED, Sighting, may_share, settle
from lumina_streams.core.span.telling import fields_of, merged_usage, told

UNKNOWN_SERVICE = "unknown_service"
MAX_SERVICE_CHARS = 200
MAX_ANCESTORS = 64

SKEW_NS = 600 * 10**9
"""A span that ends more than 10 minutes after the log took it has a wrong clock."""

INVALID_IDS = "trace id or span id missing, all zero or of the wrong length"

_FROM_RESOURCE = frozenset({SERVICE, PROJECT, ENDPOINT, SAMPLE_RATE, *ENVIRONMENTS})
_ZERO_TRACE, _ZERO_SPAN = bytes(16), bytes(8)
_series: dict[tuple[str, str, str], str] = {}
_MAX_SERIES_REMEMBERED = 20_000


class Landing(Struct, frozen=True):
    """Where a landed OTLP message was read, and the project its door gave it (None: its resources say).

    `appended_ms` is when the log took it, by the broker's clock; None where nobody knows (a file, or a topic
    whose records bear their producer's time).
    """

    epoch: str
    origin: Origin
    partition: int
    offset: int
    project: str | None = None
    appended_ms: int | None = None


class Normalised(Struct, frozen=True):
    """What became of one message. Spans are in canonical order: end time, span id, place in the message."""

    spans: list[Span]
    rejected: list[Rejected]


def normalise(
    request: ExportTraceServiceRequest,
    landing: Landing,
    prices: PriceBook,
    limit: int = LIMIT_BYTES,
    registry: SeriesRegistry | None = None,
) -> Normalised:
    """Normalise all spans of one landed message.

    Spans without valid ids are rejected, in requests of at most `limit` bytes; nothing that a span holds
    stops its neighbours. `registry`, where there is one, has begun with the message; series that have no
    place in it are joined as `other`.
    """
    drafts: list[Draft] = []
    rejections = Rejections(limit)
    refused: list[tuple[int, str, int]] = []
    for index, (context, resource_spans, scope_spans, span) in enumerate(_spans(request, landing)):
        trace_id, span_id = span.trace_id, span.span_id
        if len(trace_id) != 16 or len(span_id) != 8 or trace_id == _ZERO_TRACE or span_id == _ZERO_SPAN:
            rejections.add(INVALID_IDS, resource_spans, scope_spans, span)
            refused.append(_place(span, index))
            continue
        try:
            drafts.append(draft_of(span, context, index))
        except Exception as error:  # one span must never take its neighbours with it
            rejections.add(f"not understood: {type(error).__name__}", resource_spans, scope_spans, span)
            refused.append(_place(span, index))
    drafts.sort(key=_canonical)
    _settle(drafts)
    roots = _roots(drafts)
    latest_ns = MAX_NS if landing.appended_ms is None else landing.appended_ms * 1_000_000 + SKEW_NS
    return Normalised(
        [
            _span(draft, ordinal, landing, latest_ns, prices, roots, registry)
            for ordinal, draft in zip(_ordinals(drafts, refused), drafts, strict=True)
        ],
        rejections.all(),
    )


def context_of(resource: Any, scope: str, landing: Landing) -> Context:
    """What all spans or log records of one resource and scope share."""
    found = plain(resource.attributes)
    service = found.get(SERVICE)
    endpoint = found.get(ENDPOINT)
    return Context(
        project=project_named(landing.project, found.get(PROJECT)),
        service=service[:MAX_SERVICE_CHARS] if isinstance(service, str) and service else UNKNOWN_SERVICE,
        environment=next(
            (value for name in ENVIRONMENTS if isinstance(value := found.get(name), str) and value), ""
        ),
        release=next((value for name in RELEASES if isinstance(value := found.get(name), str) and value), "")[
            :MAX_NAME_CHARS
        ],
        endpoint=endpoint if isinstance(endpoint, str) else "",
        resource={key: value for key, value in found.items() if key not in _FROM_RESOURCE},
        scope=scope,
        sample_rate=share(found.get(SAMPLE_RATE)),
    )


def _spans(request: ExportTraceServiceRequest, landing: Landing) -> Iterator[tuple[Context, Any, Any, Any]]:
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            context = context_of(resource_spans.resource, scope_spans.scope.name, landing)
            for span in scope_spans.spans:
                yield context, resource_spans, scope_spans, span


def _canonical(draft: Draft) -> tuple[int, str, int]:
    return draft.end_ns, draft.span_id, draft.index


def _place(span: Any, index: int) -> tuple[int, str, int]:
    """Canonical place of a span of which there is no draft."""
    end_ns = max(span.start_time_unix_nano, span.end_time_unix_nano)
    return min(end_ns, MAX_NS), span.span_id.hex(), index


def _ordinals(drafts: list[Draft], refused: list[tuple[int, str, int]]) -> Iterable[int]:
    """Ranks of the drafts among all spans of the message.

    Refused ones count too: a version that understands one more span must not move its neighbours, or a
    replay across an upgrade would take one of them for another.
    """
    if not refused:
        return range(len(drafts))
    ranks = {index: rank for rank, (_, _, index) in enumerate(sorted([*refused, *map(_canonical, drafts)]))}
    return [ranks[draft.index] for draft in drafts]


def _settle(drafts: list[Draft]) -> None:
    """Mark the spans that tell of a call which another span of the message is, and tell that one the rest."""
    telling = [draft for draft in drafts if draft.leaf or draft.candidate]
    if len(telling) < 2 or not may_share(
        [
            (draft.trace_id, draft.response_id, draft.continues or draft.context.scope in NATIVE_SCOPES)
            for draft in telling
        ]
    ):
        return
    for draft, call in zip(drafts, settle([_sighting(draft) for draft in drafts]), strict=True):
        if draft.candidate:
            draft.candidate = call != NO_CALL  # else calls are below it, and that is known already
        elif draft.leaf and drafts[call] is not draft:
            _tell(drafts[call], draft)
            draft.duplicate_of = drafts[call].span_id


def _sighting(draft: Draft) -> Sighting:
    context = draft.context
    return Sighting(
        context.project,
        context.service,
        context.scope,
        draft.kind,
        draft.trace_id,
        draft.span_id,
        draft.parent_span_id,
        draft.start_ns,
        draft.end_ns,
        draft.request_model,
        draft.response_id,
        draft.status == "error",
        draft.candidate,
        draft.usage.detail,
        len(draft.input_messages) + len(draft.output_messages),
        draft.continues,
        prompt_digest(draft.system, draft.input_messages) if context.scope.startswith(PARTED) else "",
    )


def _tell(call: Draft, other: Draft) -> None:
    """Fill what the call's span lacks from another span of the same call."""
    for name, value in told(fields_of(call), fields_of(other)).items():
        setattr(call, name, value)
    call.ranks = other.ranks | call.ranks
    call.endpoint = call.endpoint or other.endpoint
    call.workflow = call.workflow or other.workflow
    call.route = call.route or other.route
    call.usage = merged_usage(call.usage, other.usage)


def _roots(drafts: list[Draft]) -> dict[tuple[str, str], Draft]:
    """The local root with a route, by (trace, span): the outermost serving span above it in the message."""
    entries = {draft.trace_id for draft in drafts if draft.route and draft.span_kind in ENTRIES}
    if not entries:
        return {}
    inside = [draft for draft in drafts if draft.trace_id in entries]
    by_id = {(draft.trace_id, draft.span_id): draft for draft in inside}
    roots: dict[tuple[str, str], Draft] = {}
    for draft in inside:
        root: Draft | None = None
        step: Draft | None = draft
        for _ in range(MAX_ANCESTORS):
            if step is None:
                break
            if step.route and step.span_kind in ENTRIES:
                root = step
            step = by_id.get((step.trace_id, step.parent_span_id))
        if root is not None:
            roots[draft.trace_id, draft.span_id] = root
    return roots


def _series_id(project: str, service: str, endpoint: str) -> str:
    """`series_id`, remembered: the same few series come again and again."""
    key = (project, service, endpoint)
    series = _series.get(key)
    if series is None:
        if len(_series) >= _MAX_SERIES_REMEMBERED:
            _series.clear()
        series = _series[key] = series_id(project, service, endpoint)
    return series


def _span(
    draft: Draft,
    ordinal: int,
    landing: Landing,
    latest_ns: int,
    prices: PriceBook,
    roots: dict[tuple[str, str], Draft],
    registry: SeriesRegistry | None,
) -> Span:
    """The finished record."""
    context = draft.context
    usage = draft.usage
    root = roots.get((draft.trace_id, draft.span_id)) if roots else None
    project, service, endpoint, resource = (
        context.project,
        context.service,
        endpoint_of(draft, root),
        context.resource,
    )
    cost_usd = cost_status = None
    cost_reason = price_version = ""
    priced = False
    if draft.leaf or draft.candidate:
        priced = draft.leaf and not draft.duplicate_of
        usage, cost = price(draft, usage, project, prices)
        cost_usd, cost_status, cost_reason, price_version = cost.usd, cost.status, cost.reason, cost.version
    series = _series_id(project, service, endpoint)
    overflow = ""
    counts = priced or draft.candidate
    if registry is not None and not registry.admits(project, service, endpoint, series, counts):
        overflow, endpoint = attribute_of(draft, root), OTHER
        series = _series_id(project, service, OTHER)
        if not registry.admits(project, service, OTHER, series, counts):
            overflow, resource, service = SERVICE, resource | {SERVICE: service}, OTHER
            series = _series_id(project, OTHER, OTHER)
    return Span(
        v=SCHEMA_VERSION,
        src=Source(landing.epoch, landing.origin, landing.partition, landing.offset, ordinal),
        series_id=series,
        trace_id=draft.trace_id,
        span_id=draft.span_id,
        parent_span_id=draft.parent_span_id,
        project=project,
        service=service,
        endpoint=endpoint,
        environment=context.environment,
        release=draft.release,
        name=draft.name,
        span_kind=draft.span_kind,
        kind=draft.kind,
        operation=draft.operation,
        start_ns=draft.start_ns,
        duration_ms=(draft.end_ns - draft.start_ns) / 1e6,
        ttft_ms=draft.ttft_ms,
        status=draft.status,
        error=draft.error,
        provider=draft.provider,
        provider_guessed=draft.provider_guessed,
        request_model=draft.request_model,
        response_model=draft.response_model,
        response_id=draft.response_id,
        system=draft.system,
        input_messages=draft.input_messages,
        output_messages=draft.output_messages,
        tool_calls=tool_calls_of(draft.output_messages) if draft.output_messages else (),
        input_tokens=usage.input,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.output,
        reasoning_tokens=usage.reasoning,
        service_tier=draft.service_tier,
        finish_reasons=draft.finish_reasons,
        streaming=draft.streaming,
        session_id=draft.session_id,
        user_id=draft.user_id,
        prompt_name=draft.prompt_name,
        prompt_version=draft.prompt_version,
        tags=draft.tags,
        retrieval_query=draft.retrieval_query,
        retrieval_documents=draft.retrieval_documents,
        cost_usd=cost_usd,
        cost_status=cost_status,
        cost_reason=cost_reason,
        price_version=price_version,
        reported_cost_usd=draft.reported_cost_usd,
        priced=priced,
        duplicate_of=draft.duplicate_of,
        candidate=draft.candidate,
        sample_rate=draft.sample_rate,
        clock_skew=draft.end_ns > latest_ns,
        endpoint_overflow=overflow,
        scope=context.scope,
        attributes=draft.attributes,
        resource=resource,
        events=draft.events,
    )
