"""The one transition of a series: `step(state, call) -> alerts`."""

import hashlib
import zlib
from functools import partial
from math import log

from lumina_schemas.alert import Alert
from lumina_streams.core.alert.lifecycle import Review, Subject
from lumina_streams.core.baseline.excursion import model_of
from lumina_streams.core.baseline.habit import NAME_CHARS
from lumina_streams.core.baseline.moment import LATEST_MS
from lumina_streams.core.baseline.sketch import HIGHEST, LOWEST
from lumina_streams.core.baseline.windows import DAY_MS
from lumina_streams.core.quality.candidate import candidate_of
from lumina_streams.core.quality.history import PLACES
from lumina_streams.core.quality.score import LEARNABLE, Verdict, judge
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.clock import UNKNOWN
from lumina_streams.core.series.fold import fold
from lumina_streams.core.series.pending import (
    COST_HELD,
    COST_UP,
    FAILED,
    LATE,
    LATENCY_HELD,
    LATENCY_UP,
    NO_BYTE,
    QUALITY_HELD,
    QUALITY_UP,
    SIZE,
    SPEND_HELD,
    UNPRICED,
    pack_pending,
    weighted_tokens,
)
from lumina_streams.core.series.quiet import pass_time
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import Hot, SeriesState, cold_version

__all__ = ["SeriesState", "cold_version", "step"]

FOLD_CALLS = 64
FOLD_MS = 300_000
LATE_MS = 120_000  # older than the newest call by more: counts in its window, drives no test
RECENT_IDS = 64  # span ids that a client's retry is found by
RECENT_ANSWERS = 32  # response ids that a second instrumentation's span of a call is found by
SLOTS_PENDING = 16  # five-minute sums of spend that wait for the fold
SCOPES = 8
SCOPE_CHARS = 80
CANDIDATES = 4  # answers waiting for the fold to become references ...
YOUNG_CALLS, YOUNG_CANDIDATES = 64, 8  # ... and in a series that knows nothing yet

JUDGED_KINDS = frozenset({"llm", "embedding"})
ASIDE_KINDS = frozenset({"tool", "retrieval"})  # beside the calls: whether they work is part of quality


def step(
    state: SeriesState, call: Call, rules: Rules, detected_at: str, clock_ms: int = UNKNOWN
) -> list[Alert]:
    """Apply one call to its series; returns the alert records to publish, in order.

    Mutates `state`. Deterministic in (state, call, rules, clock_ms); `detected_at` (RFC 3339) is only written
    down. `clock_ms` is the clock of the log's partition where the call lies in it.
    The caller has asked `state.positions.advance(call.src)` first and dropped what is not newer.
    """
    hot = state.hot
    state.verdict, state.costs = None, False
    if call.clock_skew or call.duplicate_of:
        return []
    if call.kind in ASIDE_KINDS:
        return _step_aside(state, call, rules, detected_at)
    if not (call.kind in JUDGED_KINDS or call.candidate):
        return []
    if not _is_new(hot, call.span_id) or _is_told(hot, call):
        return []
    state.costs = True
    at_ms = _event_ms(call)
    if not _is_confirmed(hot, at_ms):
        return []
    hot.calls += 1
    if not hot.fold_ms:
        hot.fold_ms = at_ms
    late = at_ms < hot.newest_ms - LATE_MS
    alerts: list[Alert] = []
    if at_ms > hot.newest_ms:
        alerts += pass_time(state, at_ms, rules, detected_at)
        if hot.newest_ms:
            hot.silence.hear(at_ms - hot.newest_ms, at_ms)
        hot.newest_ms = at_ms
        hot.clock_ms = hot.heard_ms = clock_ms
    else:
        hot.clock_ms = hot.clock_ms or clock_ms
        # A log that begins anew does not know its clock yet: no reason to take the series for silent.
        hot.heard_ms = max(hot.heard_ms, clock_ms)
    if not late:
        if hot.imported and not rules.imported:
            _begin_live(state)
        hot.imported = rules.imported

    cost = _cost(call)
    failed = call.status == "error"
    tokens = weighted_tokens(call)
    unpriced = cost is None and not failed and tokens is not None
    hot.unpriced += unpriced
    verdict: Verdict | None = None
    if call.output_messages or call.tool_calls or call.input_messages:
        verdict = state.verdict = judge(call, state.cold.references, hot.quality.test, rules)
    if verdict is not None:
        hot.scored += 1
        _propose(state, call, verdict)
    if not late:
        _weigh(hot, call, at_ms, cost, tokens, verdict, rules)
    if cost is not None:
        hot.largest = max(hot.largest, log(max(cost, LOWEST)))
    _remember(hot, call, at_ms, cost, verdict, late, unpriced)
    if not late and (hot.book.tracks or _stirs(hot)):
        alerts += _review(state, rules, detected_at).run()
    if _fold_is_due(hot, at_ms):
        for adopted in fold(state, rules):
            excursion = state.lanes[adopted].excursion
            alerts += _review(state, rules, detected_at).adopt(adopted)
            if excursion is not None and not any(lane.is_held for lane in state.lanes.values()):
                state.cold.habit = excursion.seen.copy()
    return alerts


def _begin_live(state: SeriesState) -> None:
    """Let what an imported past has led to go, but for what it taught: an alert is about what is seen
    here.
    """
    for lane in state.lanes.values():
        if not lane.is_held:
            lane.dismiss()


def _step_aside(state: SeriesState, call: Call, rules: Rules, detected_at: str) -> list[Alert]:
    """Apply a span of a tool or of a retrieval: no call, but answers rest on it."""
    hot = state.hot
    if not _is_new(hot, call.span_id):
        return []
    at_ms = _event_ms(call)
    if at_ms < hot.newest_ms - LATE_MS or at_ms > hot.newest_ms + DAY_MS or not hot.newest_ms:
        return []
    is_tool = call.kind == "tool"
    if not is_tool and call.status == "error":
        return []
    shown = call.status == "error" if is_tool else not call.retrieval_documents
    counts = hot.asides or [0, 0, 0, 0]
    first = 0 if is_tool else 2
    counts[first] += 1
    counts[first + 1] += shown
    hot.asides = counts
    hot.quality.weigh_aside(call, PLACES["tool_error" if is_tool else "no_documents"], shown, at_ms, rules)
    if shown and hot.quality.stirs:
        return _review(state, rules, detected_at).run()
    return []


def _weigh(
    hot: Hot,
    call: Call,
    at_ms: int,
    cost: float | None,
    tokens: float | None,
    verdict: Verdict | None,
    rules: Rules,
) -> None:
    """Let every signal look at a call."""
    failed = call.status == "error"
    lane = hot.cost
    if lane.unit == "tokens_per_call":
        if tokens:
            lane.weigh(call, log(tokens), at_ms, None, cost)
    elif cost is not None:
        lane.weigh(call, log(max(cost, LOWEST)), at_ms, hot.largest, cost)
    elif tokens and not failed and lane.tokens_p50:
        # Without a price its tokens decide, at the cost of a usual call with so many.
        lane.weigh(call, log(max(lane.test.p50 * tokens / lane.tokens_p50, LOWEST)), at_ms, None, None)
    if cost is not None:
        ended = hot.spend.weigh(call, cost, at_ms)
        if ended >= 0.0 and not hot.spend.is_held:
            hot.slots = [*hot.slots, (at_ms, ended)][-SLOTS_PENDING:]
        if tokens is not None:
            hot.unpriced_share.weigh(call, False, at_ms, cost)
    elif tokens is not None and not failed:
        hot.unpriced_share.weigh(call, True, at_ms, None)
    if not failed and call.duration_ms > 0:
        hot.latency.weigh(call, log(min(max(call.duration_ms, LOWEST), HIGHEST)), at_ms, None, cost)
    hot.errors.weigh(call, failed, at_ms, cost)
    if verdict is not None:
        hot.quality.weigh(call, verdict, cost, at_ms, rules)
    if call.endpoint_overflow:
        hot.limit.meet(call, at_ms, cost)


def _stirs(hot: Hot) -> bool:
    """Whether any signal has evidence enough to be looked at."""
    return (
        hot.cost.stirs
        or hot.quality.stirs
        or hot.latency.stirs
        or hot.errors.stirs
        or hot.spend.stirs
        or hot.unpriced_share.stirs
        or hot.limit.stirs
    )


def _review(state: SeriesState, rules: Rules, detected_at: str) -> Review:
    hot = state.hot
    subject = Subject(hot.series_id, hot.project, hot.service, hot.endpoint)
    context = partial(state.context, rules)
    return Review(hot.book, subject, state.lanes, hot.newest_ms, rules, detected_at, context)


def _is_new(hot: Hot, span_id: str) -> bool:
    """Take a span id; False where a client's retry brought it under another position."""
    try:
        raw = bytes.fromhex(span_id)
    except ValueError:
        raw = span_id.encode("utf-8", "surrogatepass")
    raw = raw[:8].ljust(8, b"\0")
    place = hot.ids.find(raw)
    while place >= 0:
        if place % 8 == 0:
            return False
        place = hot.ids.find(raw, place + 1)
    hot.ids = (hot.ids + raw)[-8 * RECENT_IDS :]
    return True


def _is_told(hot: Hot, call: Call) -> bool:
    """Whether another span has told of this call already: another scope the same response, or, for a roll-up
    with tokens, its scope the calls below it. What comes later cannot undo what was counted: the views can.
    """
    scope = zlib.crc32(call.scope.encode("utf-8", "surrogatepass"))
    if call.candidate and scope in hot.telling:
        return True
    hot.scope = call.scope[:SCOPE_CHARS]
    if call.candidate:
        return False
    if scope not in hot.telling:
        hot.telling = [*hot.telling, scope][-SCOPES:]
    if not call.response_id:
        return False
    answer = hashlib.blake2b(call.response_id.encode("utf-8", "surrogatepass"), digest_size=6).digest()
    by = scope.to_bytes(4, "big")[2:]
    known = hot.answers
    for place in range(0, len(known), 8):
        if known[place : place + 6] == answer and known[place + 6 : place + 8] != by:
            return True
    hot.answers = (known + answer + by)[-8 * RECENT_ANSWERS :]
    return False


def _event_ms(call: Call) -> int:
    """A call's time: its end, in ms since 1970."""
    duration = min(max(call.duration_ms, 0.0), HIGHEST)
    return min(max(call.start_ns // 1_000_000 + int(duration), 0), LATEST_MS)


def _is_confirmed(hot: Hot, at_ms: int) -> bool:
    """Whether event time may move to a call's time.

    A single call more than a day ahead of all others is a wrong clock until a second one confirms it;
    believing it would make everything after it late. Such a call is not counted. In live traffic the log's
    append time decides (`clock_skew`); this is for logs that have none: files, and topics whose records bear
    their producer's time.
    """
    if not hot.newest_ms or at_ms <= hot.newest_ms + DAY_MS:
        hot.ahead_ms = 0
        return True
    first, hot.ahead_ms = hot.ahead_ms, at_ms
    if first and at_ms >= first - DAY_MS:
        hot.ahead_ms = 0
        return True
    return False


def _cost(call: Call) -> float | None:
    if not (call.priced or call.candidate) or call.cost_usd is None:
        return None
    return min(max(call.cost_usd, 0.0), HIGHEST)


def _propose(state: SeriesState, call: Call, verdict: Verdict) -> None:
    """Keep a good answer for the next fold where the references want it."""
    hot = state.hot
    prompt = verdict.prompt
    if prompt is None or verdict.signs & ~LEARNABLE or not verdict.answer.text or hot.quality.is_hot:
        return
    if len(hot.candidates) >= (YOUNG_CANDIDATES if hot.calls <= YOUNG_CALLS else CANDIDATES):
        return
    lot = zlib.crc32(call.span_id.encode("utf-8", "surrogatepass"))
    if state.cold.references.wants(prompt, lot):
        hot.candidates.append(candidate_of(call, verdict, state.cold.references))


def _remember(
    hot: Hot,
    call: Call,
    at_ms: int,
    cost: float | None,
    verdict: Verdict | None,
    late: bool,
    unpriced: bool,
) -> None:
    """Append a call to the pending ones."""
    flags = LATE if late else 0
    if hot.cost.excursion is not None:
        flags |= COST_UP
    if hot.quality.excursion is not None:
        flags |= QUALITY_UP
    if hot.latency.excursion is not None:
        flags |= LATENCY_UP
    if hot.latency.is_held:
        flags |= LATENCY_HELD
    if hot.spend.is_held:
        flags |= SPEND_HELD
    if call.status == "error":
        flags |= FAILED
    if unpriced:
        flags |= UNPRICED
    if hot.cost.is_held:
        flags |= COST_HELD
    if hot.quality.is_held:
        flags |= QUALITY_HELD
    model = _label(hot, model_of(call)[:NAME_CHARS])
    version = _label(hot, call.prompt_version[:NAME_CHARS])
    release = _label(hot, call.release[:NAME_CHARS])
    language = NO_BYTE
    if verdict is not None and verdict.reading.language:
        language = _label(hot, verdict.reading.language)
    after_ms = at_ms - hot.fold_ms
    hot.pending += pack_pending(call, after_ms, cost, verdict, model, version, release, language, flags)


def _label(hot: Hot, value: str) -> int:
    try:
        return hot.labels.index(value)
    except ValueError:
        if len(hot.labels) >= NO_BYTE:
            return NO_BYTE
        hot.labels.append(value)
        return len(hot.labels) - 1


def _fold_is_due(hot: Hot, at_ms: int) -> bool:
    """Every 64 calls, or 5 min after the last fold; sooner in a young series."""
    pending = len(hot.pending) // SIZE
    limit = FOLD_CALLS if hot.calls >= 256 else 16 if hot.calls >= 64 else 8
    return pending >= limit or at_ms - hot.fold_ms >= FOLD_MS
