"""Spans of many messages, settled together: what the views come to for whole traces, over records alone."""

from collections.abc import Sequence

from msgspec.structs import replace

from lumina_schemas.span import Span
from lumina_streams.core.content.messages import prompt_digest
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.cost import price
from lumina_streams.core.span.settlement import NO_CALL, PARTED, Sighting, settle, sighting_of
from lumina_streams.core.span.telling import fields_of, merged_usage, told
from lumina_streams.core.span.tokens import usage_in


def settled(spans: Sequence[Span], prices: PriceBook) -> list[Span]:
    """The same spans in the same order: every call once, with what the other spans of it tell.

    A client's retry of a span (same project, trace and span id) is left out.
    """
    first = {(span.project, span.trace_id, span.span_id): span for span in reversed(spans)}
    spans = [*first.values()][::-1]
    found = settle([_sighting(span) for span in spans])
    done = list(spans)
    for index, call in enumerate(found):
        if call not in (NO_CALL, index):
            done[call] = _told(done[call], spans[index], prices)
    return [
        replace(
            span,
            priced=found[index] == index,
            duplicate_of="" if found[index] in (NO_CALL, index) else spans[found[index]].span_id,
        )
        for index, span in enumerate(done)
    ]


def _sighting(span: Span) -> Sighting:
    return sighting_of(
        span,
        usage_in(span).detail,
        len(span.input_messages) + len(span.output_messages),
        prompt_digest(span.system, span.input_messages) if span.scope.startswith(PARTED) else "",
    )


def _told(call: Span, other: Span, prices: PriceBook) -> Span:
    """The call with what another span of it tells; priced anew where that changes its tokens."""
    mine = usage_in(call)
    usage = merged_usage(mine, usage_in(other))
    call = replace(call, **told(fields_of(call), fields_of(other)))
    if usage == mine:
        return call
    cost = price(call, usage, call.project, prices).cost
    return replace(
        call,
        input_tokens=usage.input,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write,
        cache_write_1h_tokens=usage.cache_write_1h,
        reasoning_tokens=usage.reasoning,
        cost_usd=cost.usd,
        cost_status=cost.status,
        cost_reason=cost.reason,
        price_version=cost.version,
    )
