"""Spans of one or more traces in, the calls among them out: every real call once, whoever told of it.

Two instrumentations see one call as two spans: with the same response id, or one inside the other. A roll-up
repeats the tokens of the calls below it, or is the only one who tells of them. One message may hold all of
that, or each span may come by itself: the same function decides inside a message (normalise), over a whole
trace (the views) and over files (`lumina normalise`), and only the set of spans matters, never their order.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from lumina_schemas.mapping.kinds import CONTAINERS, LEAVES
from lumina_schemas.mapping.usage import EXACT_USAGE_SCOPES, TRANSPORT_SCOPES

MAX_STEPS = 64
"""Spans between a call and the call around it, at most: parents may form a ring."""

MOST_INSIDE = 256
MOST_COMPARED = 8
"""Spans that one is compared with, at most, among many that could be one call with it: a message full of
equal spans must not take for ever.
"""

SKEW_NS = 5_000_000_000
"""Two scopes that name one response id tell of one call if their spans are not further apart. The same id
comes again from caches and test servers, for calls of their own.
"""

NO_CALL = -1


Places = dict[tuple[str, str, str], int]
"""Index of a span by project, trace id and span id."""


class Sighting(Struct, gc=False):
    """What settling needs to know of a span, whatever its kind."""

    project: str
    service: str
    scope: str
    kind: str
    trace_id: str
    span_id: str
    parent_span_id: str
    start_ns: int
    end_ns: int
    request_model: str = ""
    response_id: str = ""
    failed: bool = False
    candidate: bool = False
    counts: int = 0  # how many kinds of tokens it tells; 0: no usage
    messages: int = 0
    continues: bool = False  # the end of a stream, as a span of its own (`mapping.kinds.CONTINUATIONS`)
    asked: str = ""  # what tells prompts of such scopes apart


def settle(spans: Sequence[Sighting]) -> list[int]:
    """For each span the index of the call that it is or tells again; `NO_CALL` where it is neither.

    A span that is a call has its own index. A wrapper around several calls tells the first of them again.
    A candidate is a call where its trace shows no call below it; of nested ones the innermost.
    """
    calls = sorted(
        (index for index, span in enumerate(spans) if span.kind in LEAVES),
        key=lambda index: (spans[index].end_ns, -spans[index].start_ns, _identity(spans[index])),
    )
    found = [NO_CALL] * len(spans)
    for index in calls:
        found[index] = index
    by_id = {(span.project, span.trace_id, span.span_id): index for index, span in enumerate(spans)}
    if len(calls) > 1:
        _merge(spans, calls, by_id, found)
    candidates = [index for index, span in enumerate(spans) if span.candidate and found[index] == NO_CALL]
    if candidates:
        _decide(spans, candidates, calls, by_id, found)
    return found


def _merge(spans: Sequence[Sighting], calls: list[int], by_id: Places, found: list[int]) -> None:
    """Find the groups of spans that tell of one call, and choose the span that is the call."""
    groups = _Groups(calls)
    for same in _same_answer(spans, calls):
        groups.join(same)
    _join_continued(spans, calls, groups)
    _join_inside(spans, calls, groups)
    wrappers: dict[int, int] = {}
    inside: dict[int, list[int]] = defaultdict(list)
    for index in calls:
        around = _around(spans, index, by_id)
        if around is not None:
            inside[around].append(index)
    place = {index: at for at, index in enumerate(calls)}
    above = {index: around for around, inner in inside.items() for index in inner}
    # The innermost first, by their parents: clocks are coarse, and differ between processes.
    for around, inner in sorted(
        inside.items(), key=lambda entry: (-_depth(entry[0], above), place[entry[0]])
    ):
        if any(index in wrappers for index in inner):
            wrappers[around] = inner[0]
            continue
        roots = {groups.of(index) for index in inner}
        # Attempts that failed without usage are calls of their own; they make no wrapper of what holds them.
        told = {groups.of(index) for index in inner if spans[index].counts or not spans[index].failed}
        if len(told) > 1 or (not told and len(roots) > 1):
            wrappers[around] = inner[0]
        elif len(told or roots) == 1:
            groups.join((around, next(iter(told or roots))))
    for group in groups.all():
        members = [index for index in group if index not in wrappers] or group
        call = max(members, key=lambda index: _informed(spans[index]))
        for index in group:
            found[index] = call
    for around, inner_index in wrappers.items():
        found[around] = found[inner_index]
    for around in wrappers:
        if found[found[around]] != found[around]:  # a ring of wrappers
            found[around] = around


def _depth(index: int, above: dict[int, int]) -> int:
    """How many calls are around a call."""
    for depth in range(MAX_STEPS):
        if index not in above:
            return depth
        index = above[index]
    return MAX_STEPS


def _same_answer(spans: Sequence[Sighting], calls: list[int]) -> Iterable[list[int]]:
    """Groups of spans that name one response and can be one call: told by several scopes close in time, or
    overlapping.
    """
    named: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index in calls:
        span = spans[index]
        if span.response_id:
            named[span.project, span.kind, span.response_id].append(index)
    for same in named.values():
        if len(same) > 1:
            yield from (cluster for cluster in _clusters(spans, same) if len(cluster) > 1)


def _clusters(spans: Sequence[Sighting], same: list[int]) -> list[list[int]]:
    """Spans that name one response, each with those that it can be one call with."""
    clusters: list[list[int]] = []
    late: list[int] = []  # clusters whose first span ended lately: test servers give one id to all calls
    of_trace: dict[str, list[int]] = defaultdict(list)
    for index in sorted(same, key=lambda index: (spans[index].start_ns, _identity(spans[index]))):
        span = spans[index]
        late = [number for number in late if span.start_ns <= spans[clusters[number][0]].end_ns + SKEW_NS]
        near = sorted({*late[-MOST_COMPARED:], *of_trace[span.trace_id][-MOST_COMPARED:]})
        home = next((n for n in near if _may_join(spans, span, clusters[n])), None)
        if home is None:
            late.append(len(clusters))
            of_trace[span.trace_id].append(len(clusters))
            clusters.append([index])
        else:
            clusters[home].append(index)
    return clusters


def _may_join(spans: Sequence[Sighting], span: Sighting, cluster: list[int]) -> bool:
    """Whether a span can be one call with all of a cluster; of a long one its first and last are asked."""
    asked = (cluster[0], *cluster[-MOST_COMPARED:])
    return all(_may_be_one(span, spans[other]) for other in asked)


def _may_be_one(one: Sighting, other: Sighting) -> bool:
    if one.trace_id == other.trace_id and one.scope != other.scope:
        return True
    slack = SKEW_NS if one.scope != other.scope else -1
    return one.start_ns <= other.end_ns + slack and other.start_ns <= one.end_ns + slack


def _join_continued(spans: Sequence[Sighting], calls: list[int], groups: "_Groups") -> None:
    """Join each end of a stream with the span that began it: the last before it that asked the same."""
    ends = [index for index in calls if spans[index].continues]
    if not ends:
        return
    begun: dict[str, list[int]] = defaultdict(list)
    for index in calls:
        if spans[index].asked and not spans[index].continues:
            begun[spans[index].asked].append(index)
    taken: set[int] = set()
    for end in sorted(ends, key=lambda index: (spans[index].end_ns, _identity(spans[index]))):
        late = spans[end]
        fitting = [
            index
            for index in begun[late.asked][-MOST_INSIDE:]
            if index not in taken
            and not spans[index].counts
            and (spans[index].project, spans[index].service, spans[index].scope)
            == (late.project, late.service, late.scope)
            and spans[index].request_model == late.request_model
            and spans[index].end_ns <= late.end_ns
        ]
        if fitting:
            nearest = max(fitting, key=lambda index: (spans[index].end_ns, _identity(spans[index])))
            taken.add(nearest)
            groups.join((nearest, end))


def _join_inside(spans: Sequence[Sighting], calls: list[int], groups: "_Groups") -> None:
    """Join clients' own spans that name no response with the span that they lie in, in time: those of failed
    calls, which have no id, and those of clients that never tell one.
    """
    natives = [index for index in calls if _is_native(spans[index])]
    if not natives:
        return
    others: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for index in calls:
        if not _is_native(spans[index]) and spans[index].scope not in EXACT_USAGE_SCOPES:
            others[_asked_of(spans[index])].append(index)
    for index in natives:
        native = spans[index]
        around = [
            other
            for other in others[_asked_of(native)][-MOST_INSIDE:]
            if spans[other].start_ns <= native.start_ns
            and native.end_ns <= spans[other].end_ns
            and (native.scope in TRANSPORT_SCOPES or _is_unnamed(spans[other]))
        ]
        if around:
            nearest = max(around, key=lambda other: (spans[other].start_ns, _identity(spans[other])))
            others[_asked_of(native)].remove(nearest)
            groups.join((index, nearest))


def _asked_of(span: Sighting) -> tuple[str, str, str]:
    return span.project, span.service, span.request_model


def _is_native(span: Sighting) -> bool:
    """Whether a span is a client's own, of which nothing tells the call but its time."""
    return span.scope in TRANSPORT_SCOPES or (span.scope in EXACT_USAGE_SCOPES and _is_unnamed(span))


def _is_unnamed(span: Sighting) -> bool:
    return not span.response_id and not span.counts


def _around(spans: Sequence[Sighting], index: int, by_id: Places) -> int | None:
    """The call around this call with nothing but plain spans between them."""
    project, trace_id, parent = spans[index].project, spans[index].trace_id, spans[index].parent_span_id
    for _ in range(MAX_STEPS):
        above = by_id.get((project, trace_id, parent)) if parent else None
        if above is None or above == index or spans[above].kind in CONTAINERS:
            return None
        if spans[above].kind in LEAVES:
            return above if spans[above].kind == spans[index].kind else None
        parent = spans[above].parent_span_id
    return None


def _decide(
    spans: Sequence[Sighting],
    candidates: list[int],
    calls: list[int],
    by_id: Places,
    found: list[int],
) -> None:
    """A candidate with no call and no other candidate below it is a call."""
    covered: set[int] = set()
    counted: set[int] = set()

    def cover(index: int) -> None:
        step = index
        while True:
            span = spans[step]
            above = by_id.get((span.project, span.trace_id, span.parent_span_id))
            if above is None or above == index or above in covered:
                return
            covered.add(above)
            counted.discard(above)
            step = above

    for index in calls:
        cover(index)
    for index in sorted(candidates, key=lambda index: _identity(spans[index])):
        if index not in covered:
            counted.add(index)
            cover(index)
    for index in counted:
        found[index] = index


def _informed(span: Sighting) -> tuple[bool, bool, int, int, int, tuple[str, str, str]]:
    """The more it tells, the better; among equals the inner one, then any one for good."""
    return (
        span.counts > 0,
        span.scope in EXACT_USAGE_SCOPES,
        span.counts,
        span.messages,
        span.start_ns,
        _identity(span),
    )


def _identity(span: Sighting) -> tuple[str, str, str]:
    """What no two spans share: it decides among equals."""
    return span.span_id, span.trace_id, span.project


class _Groups:
    """Disjoint groups of indices."""

    def __init__(self, members: Iterable[int]) -> None:
        self._above = {index: index for index in members}

    def of(self, index: int) -> int:
        """Who stands for the group of an index."""
        while self._above[index] != index:
            self._above[index] = self._above[self._above[index]]
            index = self._above[index]
        return index

    def join(self, indices: Sequence[int]) -> None:
        """Make one group of all these."""
        first = self.of(indices[0])
        for index in indices[1:]:
            self._above[self.of(index)] = first

    def all(self) -> list[list[int]]:
        """The groups."""
        found: dict[int, list[int]] = defaultdict(list)
        for index in self._above:
            found[self.of(index)].append(index)
        return list(found.values())
