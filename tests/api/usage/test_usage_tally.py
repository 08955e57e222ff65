"""Counting the traces of a day: exact up to a limit, once for all replicas, with bounded memory."""

import random
import time
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_api.usage import tally as module
from lumina_api.usage.fingerprints import MOST_KEPT, Fingerprints
from lumina_api.usage.report import usage_of, usages
from lumina_api.usage.tally import OTHER, SHARE_AFTER_S, Tally
from lumina_schemas.usage import DAY_S, UsedTraces, day_of, ends_at, fingerprint, packed, unpacked

NOON = 20_000.5 * DAY_S
NUMBERS = st.integers(0, 2**32 - 1)
REQUESTS = st.lists(st.lists(st.integers(0, 60), max_size=12, unique=True), max_size=40)


def limited(limit: int, replica: str = "a", now_s: float = NOON) -> Tally:
    return Tally(lambda project: limit, replica, now_s)


def told(tally: Tally, now_s: float = NOON) -> list[UsedTraces]:
    """What it tells, through its encoding."""
    decoder = msgspec.json.Decoder(UsedTraces)
    return [decoder.decode(msgspec.json.encode(one)) for one in tally.shareable(now_s, everything=True)]


class TestFingerprints:
    @given(st.lists(NUMBERS))
    def test_a_record_holds_them(self, numbers: list[int]) -> None:
        assert list(unpacked(packed(numbers))) == numbers
        assert len(packed(numbers)) == 4 * len(numbers)

    def test_they_are_crc32_so_that_any_reader_can_count(self) -> None:
        assert fingerprint(b"123456789") == 0xCBF43926
        assert packed([0xCBF43926]).hex() == "2639f4cb"

    def test_what_is_none_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="multiple"):
            unpacked(b"abc")

    @given(st.lists(st.lists(NUMBERS)))
    def test_they_are_counted_as_a_set_counts(self, batches: list[list[int]]) -> None:
        found, reference = Fingerprints(), set[int]()
        for batch in batches:
            new = found.add(batch)
            assert set(new) == set(batch) - reference
            assert len(new) == len(set(new))
            reference |= set(batch)
            assert found.traces == found.kept == len(reference)
        assert not found.missing(reference)

    def test_a_million_and_more_are_estimated_within_a_percent_and_kept_in_bounds(self) -> None:
        dice = random.Random(7)
        found = Fingerprints()
        for million in range(1, 4):
            found.add([dice.getrandbits(32) for _ in range(1_000_000)])
            found.bound()
            assert found.kept <= MOST_KEPT
            assert found.traces == pytest.approx(million * 1_000_000, rel=0.01)
        assert found.estimated

    @given(
        st.lists(NUMBERS, max_size=50), st.lists(NUMBERS, max_size=50), st.integers(0, 4), st.integers(0, 4)
    )
    def test_samples_join_as_sets_do(self, some: list[int], more: list[int], mine: int, yours: int) -> None:
        one, other, both = Fingerprints(), Fingerprints(), Fingerprints()
        one.sample(mine)
        one.add(some)
        other.sample(yours)
        other.add(more)
        both.add(some + more)
        both.sample(max(mine, yours))
        one.sample(other.shift)
        one.add([number for number in more if number < 1 << (32 - other.shift)])
        assert (one.kept, one.traces) == (both.kept, both.traces)

    def test_a_full_sample_does_not_divide_by_nothing(self) -> None:
        found = Fingerprints()
        found.sample(99)
        found.add(range(10))
        assert found.traces > 10


class TestLimit:
    @given(REQUESTS, st.integers(1, 50))
    def test_one_replica_keeps_it_exactly(self, requests: list[list[int]], limit: int) -> None:
        tally, admitted = limited(limit), set[int]()
        for found in requests:
            refused = tally.admit("p", found, NOON)
            assert not refused & admitted, "a trace that was admitted passes"
            assert refused <= set(found)
            if refused:
                assert len(admitted | (set(found) - refused)) == limit, "none is refused before the limit"
            admitted |= set(found) - refused
        assert usage_of(tally, "p").traces == len(admitted) <= limit

    @given(REQUESTS, st.lists(st.integers(0, 2), max_size=40), st.integers(1, 50), st.booleans())
    def test_replicas_that_told_each_other_count_alike_and_twice_told_changes_nothing(
        self, requests: list[list[int]], turns: list[int], limit: int, again: bool
    ) -> None:
        replicas = [limited(limit, name) for name in "abc"]
        admitted: set[int] = set()
        for found, turn in zip(requests, turns, strict=False):
            admitted |= set(found) - replicas[turn].admit("p", found, NOON)
            records = told(replicas[turn])
            for record in records * (2 if again else 1):
                for replica in replicas:
                    replica.join(record, NOON)
        assert {usage_of(replica, "p").traces for replica in replicas} == {len(admitted)}
        assert len(admitted) <= limit

    @given(REQUESTS, st.lists(st.booleans(), max_size=40))
    def test_a_new_replica_knows_all_that_was_told_and_what_failed_is_told_again(
        self, requests: list[list[int]], failures: list[bool]
    ) -> None:
        tally, log = limited(0), list[UsedTraces]()
        for found, fails in zip(requests, failures, strict=False):
            tally.admit("p", found, NOON)
            for record in told(tally):
                if fails:
                    tally.untold(record, NOON)
                else:
                    log.append(record)
        log += told(tally)
        fresh = limited(0, "b")
        for record in log:
            fresh.join(record, NOON)
        assert usage_of(fresh, "p").traces == usage_of(tally, "p").traces

    def test_projects_have_limits_of_their_own(self) -> None:
        tally = Tally({"small": 1, "free": 0}.__getitem__, "a", NOON)
        assert tally.admit("small", [1, 2], NOON) == {2}
        assert tally.admit("free", range(100), NOON) == set()
        assert [(one.project, one.traces, one.percent) for one in usages(tally)] == [
            ("free", 100, None),
            ("small", 1, 100.0),
        ]

    def test_a_raised_limit_lets_further_traces_in_and_a_lowered_one_takes_none_back(self) -> None:
        limits = {"p": 2}
        tally = Tally(limits.__getitem__, "a", NOON)
        assert tally.admit("p", [1, 2, 3], NOON) == {3}
        limits["p"] = 3
        assert tally.admit("p", [3, 4], NOON) == {4}
        limits["p"] = 1
        assert tally.admit("p", [1, 2, 3, 4], NOON) == {4}

    def test_names_beyond_a_bound_are_counted_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_PROJECTS", 3)
        tally = limited(4)
        for number in range(20):
            tally.admit(f"p{number}", [number], NOON)
        tally.refuse("p19", 7, NOON)
        assert set(tally.today) == {"p0", "p1", "p2", OTHER}
        assert tally.admit("p19", [99], NOON) == {99}
        assert usage_of(tally, OTHER).refused_spans == 7


class TestDay:
    def test_the_count_begins_anew_at_midnight_utc(self) -> None:
        tally = limited(2)
        assert tally.admit("p", [1, 2, 3], NOON) == {3}
        last = ends_at(day_of(NOON)) - 0.001
        assert tally.admit("p", [3], last) == {3}
        assert tally.admit("p", [3, 1], last + 0.001) == set()
        assert usage_of(tally, "p").resets_at == "2024-10-06T00:00:00Z"
        assert time.strftime("%Y-%m-%d", time.gmtime(last + 0.001)) == "2024-10-05"

    def test_a_clock_that_goes_back_brings_no_day_back(self) -> None:
        tally = limited(2)
        midnight = float(ends_at(day_of(NOON)))
        tally.admit("p", [1], midnight)
        tally.admit("p", [2], midnight - 5)
        assert tally.admit("p", [3], midnight + 5) == {3}

    def test_a_replica_whose_clock_is_ahead_counts_for_its_day(self) -> None:
        midnight = float(ends_at(day_of(NOON)))
        ahead, behind = limited(2, "a", midnight), limited(2, "b", midnight - 1)
        ahead.admit("p", [1], midnight)
        for record in told(ahead, midnight):
            behind.join(record, midnight - 1)
        assert usage_of(behind, "p").traces == 0
        behind.turn(midnight)
        assert usage_of(behind, "p").traces == 1

    def test_other_days_are_passed_over(self) -> None:
        tally = limited(2)
        for day in (0, day_of(NOON) - 1, day_of(NOON) + 2):
            tally.join(UsedTraces(v=1, project="p", day=day, replica="b", fingerprints=packed([1])), NOON)
        assert not usages(tally)


class TestTelling:
    def test_what_is_urgent_is_a_thousandth_of_the_limit_or_a_hundredth_of_the_rest(self) -> None:
        tally = limited(10_000)
        tally.admit("p", range(9), NOON)
        assert not tally.urgent("p")
        assert not list(tally.shareable(NOON))
        tally.admit("p", [9], NOON)
        assert tally.urgent("p")
        (record,) = tally.shareable(NOON)
        assert list(unpacked(record.fingerprints)) == list(range(10))
        tally.admit("p", range(10, 9_900), NOON)
        assert len(told(tally)) == 1
        tally.admit("p", [9_900], NOON)
        assert tally.urgent("p"), "100 are left: each one counts"

    def test_the_rest_is_told_after_a_while_and_nothing_twice(self) -> None:
        tally = limited(0)
        tally.admit("p", [1], NOON)
        assert not list(tally.shareable(NOON + SHARE_AFTER_S - 0.1))
        assert len(list(tally.shareable(NOON + SHARE_AFTER_S))) == 1
        assert not list(tally.shareable(NOON + 100, everything=True))
        tally.admit("p", [1], NOON + 100)
        assert not list(tally.shareable(NOON + 200, everything=True)), "nothing new"

    def test_a_record_has_a_bounded_size(self) -> None:
        tally = limited(0)
        tally.admit("p", range(250_000), NOON)
        assert [len(record.fingerprints) for record in tally.shareable(NOON, everything=True)] == [
            400_000,
            400_000,
            200_000,
        ]

    def test_refused_spans_are_added_up_over_replicas(self) -> None:
        one, other = limited(1, "a"), limited(1, "b")
        for spans in (3, 4):
            one.refuse("p", spans, NOON)
            for record in told(one):
                other.join(record, NOON)
        other.refuse("p", 5, NOON)
        assert usage_of(other, "p").refused_spans == 12

    def test_thresholds_are_told_once_each_and_again_for_another_limit(self) -> None:
        limits = {"p": 100}
        tally = Tally(limits.__getitem__, "a", NOON)
        tally.admit("p", range(89), NOON)
        assert not list(tally.reached())
        tally.admit("p", [89], NOON)
        assert list(tally.reached()) == [("p", 90, 90, 100)]
        tally.admit("p", [90], NOON)
        assert not list(tally.reached())
        tally.join(
            UsedTraces(v=1, project="p", day=tally.day, replica="b", fingerprints=packed(range(100))), NOON
        )
        assert list(tally.reached()) == [("p", 100, 100, 100)]
        tally.forget("p")
        assert list(tally.reached()) == [("p", 100, 100, 100)], "nobody had heard it"
        limits["p"] = 110
        tally.admit("p", [100], NOON)
        assert list(tally.reached()) == [("p", 90, 101, 110)]


def test_ten_million_traces_are_counted_an_eighth_of_a_percent_too_low() -> None:
    """The odds, on a tenth of the numbers: n / 2 ** 33 of n are missing, 0.012 % of a million."""
    dice = random.Random(3)
    count = 1_000_000
    found = {crc32(dice.randbytes(16)) for _ in range(count)}
    assert count - len(found) == pytest.approx(count * count / 2**33, rel=0.4)
