"""Where the records of one generation go in the next."""

import json

import msgspec
import pytest

from lumina_api.generations.routing import LogRouting, Routed, Starts, UnknownKey, copied, route_state
from lumina_schemas.control import COMMAND, CONTROL_VERSION, MARK, TICK, SeriesCommand
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import RULES
from lumina_schemas.source import Place, Source
from lumina_schemas.topics import COPY_HEADER, TYPE_HEADER

BEFORE, TO = 4, 7
SERIES = [f"{number:016x}" for number in range(40)]


def line(series: str, number: int) -> bytes:
    src = ["e", "otlp", 0, number, 0]
    return json.dumps({"type": "span", "src": src, "series_id": series, "span_id": f"{number:016x}"}).encode()


def test_each_line_goes_where_its_series_goes_in_the_order_it_had() -> None:
    lines = [line(series, number) for number, series in enumerate(SERIES * 3)]
    routed = LogRouting("e", TO).route(2, 5, b"\n".join(lines), []).records
    assert len({record.partition for record in routed}) == len(routed) > 1
    for record in routed:
        assert record.value is not None
        expected = [
            one for one in lines if partition_of(json.loads(one)["series_id"], TO) == record.partition
        ]
        assert record.value.split(b"\n") == expected
    assert sum(record.value.count(b"\n") + 1 for record in routed if record.value) == len(lines)


def test_content_without_a_series_goes_by_its_span_and_what_is_not_readable_stays() -> None:
    content = b'{"type":"content","series_id":"","span_id":"00000000000000aa"}'
    routed = LogRouting("e", TO).route(3, 5, b"\n".join([content, b"rubbish", b"\xff"]), []).records
    home = partition_of("00000000000000aa", TO)
    assert sorted(routed) == sorted([Routed(home, content), Routed(3, b"rubbish\n\xff")])


def test_a_command_keeps_the_position_that_it_had_by_its_place() -> None:
    command = SeriesCommand(v=CONTROL_VERSION, type="resolve", alert_id="a", series_id=SERIES[1], by="ada")
    headers = [(TYPE_HEADER, COMMAND)]
    routing = LogRouting("epoch", TO)
    (written,) = routing.route(1, 77, msgspec.json.encode(command), headers).records
    home = partition_of(SERIES[1], TO)
    assert written.partition == home
    assert written.value is not None
    found = msgspec.json.decode(written.value, type=SeriesCommand)
    assert found == msgspec.structs.replace(command, src=Source("epoch", "control", 1, 77, 0))
    (again,) = routing.route(0, 80, written.value, headers).records  # one that has its position keeps it
    assert again == written
    assert routing.route(2, 9, b'{"type":"dance"}', headers).records == [Routed(2, b'{"type":"dance"}')]


def test_ticks_stay_behind() -> None:
    assert LogRouting("e", TO).route(0, 1, b"{}", [(TYPE_HEADER, TICK)]).records == []


@pytest.mark.parametrize("kind", [RULES, MARK])
def test_what_concerns_all_series_comes_once_to_each_partition_and_in_order(kind: bytes) -> None:
    routing = LogRouting("e", TO)
    headers = [(TYPE_HEADER, kind)]
    a, b = b'{"cost_spike_pct":20}', b'{"cost_spike_pct":30}'
    met = [(0, a), (1, a), (0, b), (0, a), (2, a), (1, b), (3, a), (2, b), (1, a), (3, b), (2, a), (3, a)]
    sent = [
        record for partition, value in met for record in routing.route(partition, 1, value, headers).records
    ]
    for partition in range(TO):
        assert [record.value for record in sent if record.partition == partition] == [a, b, a]


def test_detect_goes_on_at_what_one_old_partition_had_not_done_though_another_had() -> None:
    routing, starts = LogRouting("e", TO), Starts()
    ends = [0] * TO

    def copy(partition: int, value: bytes, done: bool, kind: bytes | None = None) -> None:
        route = routing.route(partition, 1, value, [(TYPE_HEADER, kind)] if kind else [])
        starts.note(route, done, lambda number: ends[number])
        for record in route.records:
            ends[record.partition] += 1

    for _ in range(3):
        copy(0, b"rubbish", done=True)
    copy(0, b"a rule", done=True, kind=b"rules")  # to every partition: at 3 in the first, at 0 in the others
    copy(0, b"rubbish", done=True)
    copy(2, b"rubbish", done=False)
    assert [starts.of(number, ends[number]) for number in range(TO)] == [5, 1, 1, 1, 1, 1, 1]
    copy(1, b"a rule", done=True, kind=b"rules")
    assert [starts.of(number, ends[number]) for number in range(TO)] == [5, 1, 1, 1, 1, 1, 1]
    copy(2, b"a rule", done=False, kind=b"rules")
    assert [starts.of(number, ends[number]) for number in range(TO)] == [3, 0, 0, 0, 0, 0, 0]


def test_a_state_goes_where_its_series_goes() -> None:
    for series in SERIES:
        home = partition_of(series, TO)
        for key in (b"h|" + series.encode(), f"c|{series}|0".encode(), f"c|{series}|1".encode()):
            assert route_state(key, b"state", BEFORE, TO) == [Routed(home, b"state", key)]
            assert route_state(key, None, BEFORE, TO) == [Routed(home, None, key)]


@pytest.mark.parametrize("kind", [b"p", b"r"])
def test_every_new_partition_begins_with_what_an_old_one_kept(kind: bytes) -> None:
    routed = [
        (number, record)
        for number in range(BEFORE)
        for record in route_state(b"%s|%d" % (kind, number), b"of %d" % number, BEFORE, TO)
    ]
    assert sorted(record.partition for _, record in routed) == list(range(TO))
    assert all(record.key == b"%s|%d" % (kind, record.partition) for _, record in routed)
    assert all(record.value == b"of %d" % number for number, record in routed)


@pytest.mark.parametrize("key", [b"", b"x|1", b"h", b"p|", b"p|x"])
def test_a_key_that_is_not_known_is_an_error(key: bytes) -> None:
    with pytest.raises(UnknownKey, match="does not know"):
        route_state(key, b"", BEFORE, TO)


def test_a_batch_that_was_not_committed_says_where_it_lay_in_each_generation() -> None:
    headers = copied([], Place("first", 2, 7))
    headers = copied(headers, Place("second", 3, 9))
    assert [(name, json.loads(value)) for name, value in headers] == [
        (COPY_HEADER, ["first", 2, 7]),
        (COPY_HEADER, ["second", 3, 9]),
    ]
    assert copied([(TYPE_HEADER, COMMAND)], Place("first", 2, 7)) == [(TYPE_HEADER, COMMAND)]
