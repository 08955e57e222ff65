"""Two spans of one call, inside one message: one is kept and told what the other knows.

Two instrumentations see one call as two spans: with the same response id, or one inside the other. The
better informed span is the call; the other one stays in the trace, unpriced, and names it.
"""

from collections.abc import Sequence

from lumina_schemas.mapping.kinds import CONTAINERS
from lumina_schemas.mapping.usage import EXACT_USAGE_SCOPES
from lumina_streams.core.span.draft import Draft
from lumina_streams.core.span.tokens import Usage

MAX_STEPS = 64
"""Ancestors walked at most: parents may form a ring."""


def mark_duplicates(drafts: Sequence[Draft]) -> None:
    """Set `duplicate_of` on the spans whose call another span of the message tells better."""
    calls = [draft for draft in drafts if draft.leaf]
    if len(calls) < 2:
        return
    by_id = {(draft.trace_id, draft.span_id): draft for draft in drafts}
    inside = {id(call): outer for call in calls if (outer := _outer(call, by_id)) is not None}
    contents: dict[int, list[Draft]] = {}
    for call in calls:
        outer = inside.get(id(call))
        if outer is not None:
            contents.setdefault(id(outer), []).append(call)
    for call in calls:
        inner = contents.get(id(call))
        if inner is None or call.duplicate_of:
            continue
        distinct = {one.response_id or one.span_id for one in inner}
        if len(distinct) > 1:  # a wrapper around several calls
            call.duplicate_of = inner[0].span_id
        else:
            _settle([*inner, call])
    answers: dict[tuple[str, str, str], list[Draft]] = {}
    for call in calls:
        if call.response_id and not call.duplicate_of:
            answers.setdefault((call.context.project, call.kind, call.response_id), []).append(call)
    for group in answers.values():
        if len(group) > 1:
            _settle(_one_call(group))
    _pair_unnamed([call for call in calls if not call.response_id and not call.duplicate_of])


def _outer(call: Draft, by_id: dict[tuple[str, str], Draft]) -> Draft | None:
    """The call around this call with nothing but plain spans between them."""
    parent = call.parent_span_id
    for _ in range(MAX_STEPS):
        if not parent:
            return None
        around = by_id.get((call.trace_id, parent))
        if around is None or around is call or around.kind in CONTAINERS:
            return None
        if around.leaf:
            return around if around.kind == call.kind else None
        parent = around.parent_span_id
    return None


def _one_call(group: list[Draft]) -> list[Draft]:
    """Spans of the group that can be one call: told by several scopes, or overlapping in time.

    An answer may come again under its old id (a cache, a test server): one scope then tells of calls one
    after the other, and each is a call.
    """
    first = group[0]
    return [
        draft
        for draft in group
        if draft is first
        or draft.context.scope != first.context.scope
        or (draft.start_ns < first.end_ns and first.start_ns < draft.end_ns)
    ]


def _pair_unnamed(calls: list[Draft]) -> None:
    """Pair failed calls, which have no response id: the client's own span lies inside the other in time."""
    natives = [call for call in calls if call.context.scope in EXACT_USAGE_SCOPES]
    if not natives:
        return
    others = [call for call in calls if call.context.scope not in EXACT_USAGE_SCOPES]
    for native in natives:
        around = [
            call
            for call in others
            if call.start_ns <= native.start_ns
            and native.end_ns <= call.end_ns
            and call.request_model == native.request_model
            and call.context.service == native.context.service
        ]
        if around:
            nearest = max(around, key=lambda call: (call.start_ns, call.span_id))
            others.remove(nearest)
            _settle([native, nearest])


def _settle(group: list[Draft]) -> None:
    """Choose the span that is the call. Spans told earlier win a tie: inner before outer."""
    if len(group) < 2:
        return
    call = max(group, key=_informed)
    for other in group:
        if other is not call:
            other.duplicate_of = call.span_id
            _tell(call, other)


def _informed(draft: Draft) -> tuple[bool, bool, int, int]:
    return (
        draft.usage.known,
        draft.context.scope in EXACT_USAGE_SCOPES,
        draft.usage.detail,
        len(draft.output_messages) + len(draft.input_messages),
    )


def _tell(call: Draft, other: Draft) -> None:
    """Fill what the call's span lacks from the other span of the same call."""
    if not call.output_messages and not call.input_messages:
        call.system = call.system or other.system
    call.input_messages = call.input_messages or other.input_messages
    call.output_messages = call.output_messages or other.output_messages
    call.finish_reasons = call.finish_reasons or other.finish_reasons
    call.request_model = call.request_model or other.request_model
    call.response_model = call.response_model or other.response_model
    call.response_id = call.response_id or other.response_id
    call.session_id = call.session_id or other.session_id
    call.user_id = call.user_id or other.user_id
    call.prompt_name = call.prompt_name or other.prompt_name
    call.prompt_version = call.prompt_version or other.prompt_version
    call.endpoint = call.endpoint or other.endpoint
    call.workflow = call.workflow or other.workflow
    call.route = call.route or other.route
    call.tier = call.tier or other.tier
    if call.reported_cost_usd is None:
        call.reported_cost_usd = other.reported_cost_usd
    if call.ttft_ms is None:
        call.ttft_ms = other.ttft_ms
    if call.streaming is None:
        call.streaming = other.streaming
    if call.usage.known and other.usage.known and call.usage.input == other.usage.input:
        call.usage = Usage(
            call.usage.input,
            call.usage.output if call.usage.output is not None else other.usage.output,
            _either(call.usage.cache_read, other.usage.cache_read),
            _either(call.usage.cache_write, other.usage.cache_write),
            _either(call.usage.cache_write_1h, other.usage.cache_write_1h),
            _either(call.usage.reasoning, other.usage.reasoning),
        )


def _either(mine: int | None, theirs: int | None) -> int | None:
    return mine if mine is not None else theirs
