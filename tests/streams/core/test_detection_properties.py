"""What must not matter to detection: units, retries, restarts, owners, the order in which things come.

Logs are seeded traffic with incidents, commands and ticks; hypothesis chooses which, and where it interferes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.alert import Alert
from lumina_schemas.control import Command
from lumina_schemas.source import Source
from lumina_streams.core.baseline.sketch import ALPHA
from lumina_streams.core.baseline.windows import MINUTE_MS, RINGS, WINDOW_MS, Measure
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.command import command
from lumina_streams.core.series.fold import fold
from lumina_streams.core.series.pending import SIZE
from lumina_streams.core.series.quiet import advance
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import SeriesState
from lumina_streams.core.series.step import FOLD_CALLS, LATE_MS, RECENT_IDS, step
from lumina_streams.core.span.lines import encode_line
from lumina_streams.core.span.normalise import Landing, normalise
from streams.core.bench import AT, START_NS, Table, Traffic, apply, fresh
from streams.core.otlp_values import fill

RULES = Rules(adopt_after_s=900, cooldown_s=300, no_data_after_s=600)
REFUSAL = "I'm sorry, but I can't help with that request."
START_MS = START_NS // 1_000_000
CLOCK_MS = 1_900_000_000_000
BUCKET = (1 + ALPHA) / (1 - ALPHA)
"""Quotient of neighbouring buckets of a sketch."""

INCIDENTS: dict[str, dict[str, Any]] = {
    "usual": {},
    "dear": {"times": 3.0},
    "slow": {"slower": 3.0},
    "refused": {"answer": REFUSAL},
    "dear and refused": {"times": 3.0, "answer": REFUSAL},
    "failed": {"status": "error", "cost_usd": None, "input_tokens": None, "output_tokens": None},
    "unpriced": {"cost_usd": None, "request_model": "nobody-knows"},
}
ASKED = ("acknowledge", "snooze", "resolve", "false")


class Tick(NamedTuple):
    """The log's clock goes on by so many minutes, with no call."""

    minutes: int


class Asked(NamedTuple):
    """Somebody asks for something about the newest alert."""

    what: str


Entry = Call | Tick | Asked


def episodes(least: int = 1) -> st.SearchStrategy[list[tuple[str, int]]]:
    calls = st.tuples(st.sampled_from(sorted(INCIDENTS)), st.integers(5, 90))
    asked = st.tuples(st.sampled_from(ASKED), st.just(0))
    ticks = st.tuples(st.just("tick"), st.integers(1, 200))
    return st.lists(st.one_of(calls, calls, calls, asked, ticks), min_size=least, max_size=6)


class Told(NamedTuple):
    """What a log is written from: small, so that a failure can be read."""

    seed: int
    episodes: list[tuple[str, int]]


def written(told: Told) -> list[Entry]:
    """A log: 250 usual calls, what is told, and a dear end, so that most logs alert."""
    traffic = Traffic(seed=told.seed, prompts=4)
    log: list[Entry] = []
    for what, count in (("usual", 250), *told.episodes, ("dear", 40)):
        if what == "tick":
            log.append(Tick(count))
            traffic.now_ns += count * 60 * 10**9
        elif what in ASKED:
            log.append(Asked(what))
        else:
            fields = dict(INCIDENTS[what])
            slower = fields.pop("slower", 1.0)
            log += [
                traffic.call(duration_ms=800 * slower * traffic.rng.lognormvariate(0, 0.3), **fields)
                for _ in range(count)
            ]
    return log


logs = st.builds(Told, st.integers(0, 10_000), episodes())


class Player:
    """Applies a log to a series. `published` has each alert with the place in the log that made it."""

    def __init__(self, state: SeriesState) -> None:
        self.state = state
        self.published: list[tuple[int, Alert]] = []
        self.newest = ""
        self.clock_ms = CLOCK_MS

    def play(self, log: Sequence[Entry], begin: int = 0) -> None:
        for place, entry in enumerate(log, begin):
            for alert in self._apply(entry):
                self.published.append((place, alert))
                self.newest = alert.id

    def _apply(self, entry: Entry) -> list[Alert]:
        state = self.state
        if isinstance(entry, Tick):
            self.clock_ms += entry.minutes * MINUTE_MS
            return advance(state, self.clock_ms, RULES, AT)
        if isinstance(entry, Call):
            if not state.positions.advance(entry.src):
                return []
            return step(state, entry, RULES, AT, self.clock_ms)
        kind: Any = "resolve" if entry.what == "false" else entry.what
        until = datetime.fromtimestamp(state.hot.newest_ms / 1000 + 600, UTC)
        asked = Command(
            v=1,
            type=kind,
            alert_id=self.newest or "none",
            series_id="0" * 16,
            by="ada",
            until=until if kind == "snooze" else None,
            reason="false" if entry.what == "false" else None,
        )
        return command(state, asked, RULES, AT, self.clock_ms)


def played(log: Sequence[Entry]) -> Player:
    player = Player(fresh())
    player.play(log)
    event(f"alerts: {min(len({alert.id for _, alert in player.published}), 3)}")
    return player


def bytes_of(state: SeriesState) -> tuple[bytes, bytes]:
    return state.pack_cold(), state.pack_hot()


def at_ms(call: Call) -> int:
    return call.start_ns // 1_000_000 + int(call.duration_ms)


@given(logs)
@settings(max_examples=15, deadline=None)
def test_the_same_log_gives_the_same_alerts_and_the_same_bytes(told: Told) -> None:
    log = written(told)
    one, other = played(log), played(log)
    assert one.published, "a log ends with dear calls, so that there is something to compare"
    assert one.published == other.published
    assert bytes_of(one.state) == bytes_of(other.state)


@given(logs, st.integers(-60, 60), st.integers(-60, 60))
@settings(max_examples=15, deadline=None)
def test_units_change_no_decision(told: Told, cost: int, latency: int) -> None:
    """Costs in another currency, durations in another unit: the same alerts at the same calls.

    By whole buckets of the sketches, so that each value has the neighbours that it had.
    """

    log = written(told)

    def scaled(entry: Entry) -> Entry:
        if not isinstance(entry, Call):
            return entry
        duration_ms = entry.duration_ms * BUCKET**latency
        return msgspec.structs.replace(
            entry,
            cost_usd=None if entry.cost_usd is None else entry.cost_usd * BUCKET**cost,
            duration_ms=duration_ms,
            start_ns=(at_ms(entry) - int(duration_ms)) * 1_000_000,  # the end is what counts
        )

    def decisions(player: Player) -> list[Any]:
        return [
            (
                place,
                alert.id,
                alert.kind,
                alert.state,
                alert.reason,
                alert.severity,
                alert.history,
                [
                    (signal.kind, signal.n, signal.since, pytest.approx(signal.ratio))
                    for signal in alert.signals
                ],
            )
            for place, alert in player.published
        ]

    assert decisions(played([scaled(entry) for entry in log])) == decisions(played(log))


@given(logs, st.data())
@settings(max_examples=15, deadline=None)
def test_a_clients_retries_change_nothing(told: Told, data: st.DataObject) -> None:
    """A span that comes again under another position, up to 50 calls later, whatever it says by then."""
    log = written(told)
    repeated = list(log)
    for number in range(data.draw(st.integers(1, 12))):
        place = data.draw(st.integers(0, len(log) - 1))
        call = log[place]
        if isinstance(call, Call):
            after = repeated.index(call) + 1 + data.draw(st.integers(0, RECENT_IDS - 15))
            again = msgspec.structs.replace(call, src=Source("epoch", "otlp", 1, number, 0), cost_usd=50.0)
            repeated.insert(after, again)
    once, twice = played(log), played(repeated)
    assert [alert for _, alert in twice.published] == [alert for _, alert in once.published]
    for other in once, twice:
        other.state.positions.heads["otlp"]["epoch"].pop(1, None)
    assert bytes_of(twice.state) == bytes_of(once.state)


@given(logs, st.sets(st.integers(0, 600), max_size=40))
@settings(max_examples=15, deadline=None)
def test_restarts_anywhere_change_nothing(told: Told, cuts: set[int]) -> None:
    """Against a worker that writes at the same places and keeps what it has in memory."""
    log = written(told)
    kept, killed, table = Player(fresh()), Player(fresh()), Table()
    for place, entry in enumerate(log):
        if place in cuts:
            table.write(killed.state)
            killed.state = table.load()
            if kept.state.cold_dirty:
                kept.state.pack_cold()
            kept.state.pack_hot()
        kept.play([entry], place)
        killed.play([entry], place)
    assert killed.published == kept.published == played(log).published
    assert bytes_of(killed.state) == bytes_of(kept.state)


@given(
    st.lists(logs, min_size=2, max_size=3),
    st.lists(st.tuples(st.integers(1, 250), st.integers(0, 40)), min_size=1, max_size=6),
)
@settings(max_examples=8, deadline=None)
def test_a_partition_handed_over_changes_nothing(series: list[Told], terms: list[tuple[int, int]]) -> None:
    """Two workers in turn. A former owner may have gone on for a while without writing: the heir does that
    again, from the table's bytes, and publishes what the former owner did."""
    logs_of = dict(enumerate(map(written, series)))
    published: dict[tuple[int, str, int], Alert] = {}
    tables = {number: Table() for number in logs_of}
    clocks = dict.fromkeys(logs_of, (CLOCK_MS, ""))
    for number, log in logs_of.items():
        done = 0
        for length, beyond in (*terms, (len(log), 0)):
            owner = Player(tables[number].load())
            owner.clock_ms, owner.newest = clocks[number]
            owner.play(log[done : done + length])
            tables[number].write(owner.state)
            clocks[number] = owner.clock_ms, owner.newest
            owner.play(log[done + length : done + length + beyond])
            done += length
            for _, alert in owner.published:
                assert published.setdefault((number, alert.id, alert.rev), alert) == alert
    for number, log in logs_of.items():
        wanted = [alert for _, alert in played(log).published]
        assert [alert for (owner, _, _), alert in published.items() if owner == number] == wanted


def messages(seed: int) -> Iterator[list[dict[str, Any]]]:
    """OTLP messages of ten spans, of two services; later ones have four times the tokens. Some end at the
    same time."""
    number = 0
    for batch in range(32):
        spans = []
        for place in range(10):
            number += 1
            lot = (number * 7919 + seed * 104_729) % 97
            tokens = (900 + 3 * lot) * (4 if batch >= 26 else 1)
            end = START_NS + (batch * 10 + place // 2) * 6 * 10**9
            spans.append(
                {
                    "service": "shop" if place % 3 else "desk",
                    "span_id": (number * 2_654_435_761 % 2**63 + 1).to_bytes(8, "big"),
                    "start": end - (700 + lot) * 1_000_000,
                    "end": end,
                    "input": tokens,
                    "output": tokens // 5,
                }
            )
        yield spans


def message_of(spans: Sequence[dict[str, Any]], together: bool) -> ExportTraceServiceRequest:
    """`together`: one resource for all neighbours of a service, else one for each span."""
    request = ExportTraceServiceRequest()
    resource, service = None, ""
    for span in spans:
        if resource is None or not together or span["service"] != service:
            service = span["service"]
            resource = request.resource_spans.add()
            fill(resource.resource.attributes, {"service.name": service})
            resource.scope_spans.add().scope.name = "test"
        one = resource.scope_spans[0].spans.add(name="chat", kind=3, trace_id=b"t" * 16)
        one.span_id = span["span_id"]
        one.start_time_unix_nano, one.end_time_unix_nano = span["start"], span["end"]
        values = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": span["input"],
            "gen_ai.usage.output_tokens": span["output"],
        }
        fill(one.attributes, values)
    return request


def outcome(
    arranged: Callable[[list[dict[str, Any]]], list[dict[str, Any]]], seed: int, together: bool
) -> Any:
    """Lines, alerts and states of a log whose messages are arranged so."""
    prices = PriceBook()
    lines: list[bytes] = []
    states: dict[str, SeriesState] = {}
    alerts: list[Alert] = []
    for offset, spans in enumerate(messages(seed)):
        request = message_of(arranged(spans), together)
        for span in normalise(request, Landing("epoch", "otlp", 0, offset), prices).spans:
            line = encode_line(span, 1_000_000)
            lines.append(line)
            call = decode_line(line)
            assert isinstance(call, Call)
            state = states.setdefault(call.series_id, fresh(call.series_id))
            alerts += apply(state, [call])
    return lines, alerts, {name: bytes_of(state) for name, state in sorted(states.items())}


@given(st.integers(0, 1000), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=6, deadline=None)
def test_the_order_inside_a_message_changes_nothing(seed: int, random: Any, together: bool) -> None:
    """Lines, positions, alerts and bytes: normalise has put the spans of a message into one order."""

    def shuffled(spans: list[dict[str, Any]]) -> list[dict[str, Any]]:
        mixed: list[dict[str, Any]] = random.sample(spans, len(spans))
        return mixed

    lines, alerts, states = outcome(list, seed, together=False)
    assert len(states) == 2
    assert alerts
    assert outcome(shuffled, seed, together) == (lines, alerts, states)


ORDER_FREE: tuple[Measure, ...] = tuple(measure for measure in RINGS if measure != "spend")
"""Spend a minute is summed up as time goes on: a call of five minutes that are over is not in it."""


def known(state: SeriesState, measure: Measure) -> bytes:
    """All that is known of a measure in the last week, held back or not."""
    cold = state.cold
    total = cold.baselines.rings[measure][-1].merged()
    if measure in cold.held:
        total.merge(cold.held[measure])
    return total.pack()


@given(st.integers(0, 10_000), st.integers(50, 400), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_of_messages_changes_no_count_and_no_sketch(seed: int, count: int, random: Any) -> None:
    """Calls of a series without incidents, each message up to two minutes late.

    What is invariant once all are folded: how many calls there are in each window of each ring, byte for
    byte; of each measure, the sketch of the week together with what is held back for now; what was counted
    and the dearest call. Not: at which call a fold happens, what a test thinks on the way, and so which
    window gets a point that was held back.
    """
    traffic = Traffic(seed=seed, content=False)
    calls = [
        traffic.call(
            duration_ms=800 * traffic.rng.lognormvariate(0, 0.3),
            ttft_ms=90 * traffic.rng.lognormvariate(0, 0.3),
            cache_read_tokens=traffic.rng.randrange(500),
        )
        for _ in range(count)
    ]
    late = [(at_ms(call) + random.uniform(0, LATE_MS - 1), call) for call in calls]
    orders = [calls, [call for _, call in sorted(late, key=lambda one: one[0])]]
    states = []
    for order in orders:
        state = fresh()
        for call in order:  # each message has a source partition of its own: positions drop nothing
            apply(state, [msgspec.structs.replace(call, src=Source("epoch", "otlp", call.src.offset, 0, 0))])
        fold(state, Rules())
        states.append(state)
    one, other = states
    assert (
        (other.hot.calls, other.hot.newest_ms)
        == (one.hot.calls, one.hot.newest_ms)
        == (
            count,
            max(map(at_ms, calls)),
        )
    )
    assert other.hot.largest == one.hot.largest
    for ring, twin in zip(
        one.cold.baselines.rings["calls"], other.cold.baselines.rings["calls"], strict=True
    ):
        assert twin.pack() == ring.pack()
        assert twin.n == count
    for measure in ORDER_FREE:
        assert known(other, measure) == known(one, measure), measure
    assert one.cold.baselines.count("cost") + one.cold.held["cost"].n == count


@given(logs, st.lists(st.integers(1, 50), min_size=1, max_size=12))
@settings(max_examples=15, deadline=None)
def test_late_calls_count_in_their_window_and_drive_no_test(told: Told, minutes: list[int]) -> None:
    """Calls two minutes behind the newest one, and more, at ten times the cost."""
    log = written(told)
    with_late, without = played(log).state, played(log).state
    room = FOLD_CALLS - len(with_late.hot.pending) // SIZE - 1
    newest_ms = with_late.hot.newest_ms
    traffic = Traffic(seed=10_001, content=False)
    late = [
        traffic.call(
            10, start_ns=(newest_ms - LATE_MS - minute * MINUTE_MS - 800) * 1_000_000, duration_ms=800.0
        )
        for minute in minutes[:room]
    ]
    late = [msgspec.structs.replace(call, src=call.src._replace(partition=1)) for call in late]

    def tests(state: SeriesState) -> bytes:
        return msgspec.msgpack.encode([state.lanes, state.hot.book, state.hot.newest_ms])

    before = tests(with_late)
    assert apply(with_late, late, RULES) == []
    assert tests(with_late) == before
    assert with_late.hot.calls == without.hot.calls + len(late) >= 290 + len(late)
    for state in with_late, without:
        fold(state, RULES)
    grown = Counter(dict(_windows(with_late)))
    grown.subtract(dict(_windows(without)))
    kept_ms = newest_ms - newest_ms % WINDOW_MS - 12 * WINDOW_MS
    windows = Counter(at_ms(call) - at_ms(call) % WINDOW_MS for call in late)
    assert +grown == Counter({start: n for start, n in windows.items() if start > kept_ms})
    assert min(grown.values()) >= 0
    week = with_late.cold.baselines.count("calls")
    assert week == without.cold.baselines.count("calls") + len(late)


def _windows(state: SeriesState) -> Iterator[tuple[int, int]]:
    """(start, calls) of each window of the last hour."""
    ring = state.cold.baselines.rings["calls"][0]
    yield ring.start, ring.open.n
    for start, n, _ in ring.closed:
        yield start, n


@given(logs, st.sets(st.integers(0, 400), min_size=1, max_size=30), st.integers(-10_000, 10_000))
@settings(max_examples=15, deadline=None)
def test_calls_of_a_wrong_clock_count_nowhere(told: Told, places: set[int], minutes: int) -> None:
    """Whatever they cost, and however far off they are: nothing but their position is kept."""
    log = written(told)
    among: list[Entry] = []
    for place, entry in enumerate(log):
        if place in places and isinstance(entry, Call):
            among.append(
                msgspec.structs.replace(
                    entry,
                    src=Source("epoch", "otlp", 1, place, 0),
                    span_id=f"{place:016x}",
                    start_ns=entry.start_ns + minutes * 60 * 10**9,
                    cost_usd=1000.0,
                    clock_skew=True,
                )
            )
        among.append(entry)
    without, with_wrong = played(log), played(among)
    assert [alert for _, alert in with_wrong.published] == [alert for _, alert in without.published]
    with_wrong.state.positions.heads["otlp"]["epoch"].pop(1, None)
    assert bytes_of(with_wrong.state) == bytes_of(without.state)
