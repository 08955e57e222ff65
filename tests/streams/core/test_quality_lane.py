"""The quality signal: evidence of signs alone and together, of tools and retrievals, its words, its end."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.score import QualityReason
from lumina_streams.core.baseline.sketch import Sketch
from lumina_streams.core.baseline.windows import Baselines
from lumina_streams.core.quality.answer import Answer
from lumina_streams.core.quality.fit import ANY, LEAST_N, QualityTest, fit_quality
from lumina_streams.core.quality.history import PLACES, SIGNS, History
from lumina_streams.core.quality.lane import LEAST_BAD, QualityLane
from lumina_streams.core.quality.score import SIGN_SCORES, Verdict
from lumina_streams.core.series.rules import Rules
from streams.core.bench import START_NS, Traffic
from streams.core.test_history import ALL, reading

START_MS = START_NS // 1_000_000
RULES = Rules()
UNLIKE = 0.25
NONE: QualityReason = ""


def verdict(*signs: QualityReason) -> Verdict:
    """What an answer is worth that shows these signs, and could have shown all."""
    bits = sum(1 << PLACES[sign] for sign in signs)
    gravest: QualityReason = min(signs, key=lambda sign: SIGN_SCORES.get(sign, 0.5), default=NONE)
    score = min((SIGN_SCORES.get(sign, UNLIKE) for sign in signs), default=1.0)
    of_answers = ALL & ~(1 << PLACES["tool_error"] | 1 << PLACES["no_documents"])
    answer = Answer("the answer")
    read = reading(quality=int(score * 200), signs=bits, judged=of_answers, recall=30, likeness=39)
    return Verdict(score, gravest, bits, of_answers, None, False, answer, None, None, read)


def lane_of(good: int = 400, bad: Sequence[Verdict] = (), **rules: Any) -> QualityLane:
    """A lane whose series had so many good answers, and these."""
    history = History()
    known = (*[verdict()] * good, *bad)
    for one in known:
        history.add(one.reading)
    baselines = Baselines()
    baselines.teach(START_MS, {"quality": Sketch.of([one.score for one in known])})
    for place in (PLACES["tool_error"], PLACES["no_documents"]):
        history.try_aside(place, good, 0)
    return QualityLane(test=fit_quality(baselines, history, Rules(**rules), START_MS))


class Lane:
    """A lane, and calls six seconds apart."""

    def __init__(self, lane: QualityLane | None = None, rules: Rules = RULES) -> None:
        self.lane = lane_of() if lane is None else lane
        self.rules = rules
        self.traffic = Traffic(content=False)
        self.at_ms = START_MS

    @property
    def raised(self) -> bool:
        return self.lane.strength(self.lane.alone_h, self.rules) >= 1

    def weigh(self, verdicts: Iterable[Verdict]) -> int:
        """Weigh answers until the signal is up; after how many, 0 for never."""
        for number, one in enumerate(verdicts, 1):
            self.at_ms += 6000
            self.lane.weigh(self.traffic.call(), one, 0.004, self.at_ms, self.rules)
            if self.raised and not self.lane.open:
                return number
        return 0

    def aside(self, sign: QualityReason, outcomes: Iterable[bool]) -> int:
        """Weigh spans beside the answers until the signal is up; after how many, 0 for never."""
        for number, bad in enumerate(outcomes, 1):
            self.at_ms += 6000
            call = self.traffic.call(kind="tool")
            self.lane.weigh_aside(call, PLACES[sign], bad, self.at_ms, self.rules)
            if self.raised and not self.lane.open:
                return number
        return 0


ANSWERED = [sign for sign in SIGNS if sign not in ("tool_error", "no_documents")]


@pytest.mark.parametrize("sign", ANSWERED)
def test_each_sign_alone_raises_the_signal(sign: QualityReason) -> None:
    lane = Lane()
    assert 3 <= lane.weigh([verdict(sign)] * 10) <= 6
    signal = lane.lane.signal(False, RULES)
    assert signal is not None
    assert (signal.kind, signal.unit) == ("quality_drop", "score")
    assert signal.value == pytest.approx(SIGN_SCORES.get(sign, UNLIKE))
    assert signal.detail.startswith("100%")
    assert signal.significance >= 1


@pytest.mark.parametrize("sign", ["tool_error", "no_documents"])
def test_tools_and_retrievals_raise_it_against_their_own_history(sign: QualityReason) -> None:
    assert 3 <= Lane().aside(sign, [True] * 10) <= 6
    assert Lane().aside(sign, [False] * 500) == 0
    never_counted = QualityLane(test=fit_quality(Baselines(), _answers(400), RULES, START_MS))
    assert Lane(never_counted).aside(sign, [True] * 100) == 0, "it has no such history"


def _answers(count: int) -> History:
    history = History()
    for _ in range(count):
        history.add(verdict().reading)
    return history


def test_a_failing_tool_among_good_answers_is_seen_and_said() -> None:
    lane = Lane()
    for _ in range(12):
        lane.weigh([verdict()] * 2)
        lane.aside("tool_error", [True])
    assert lane.raised
    assert lane.lane.excursion is not None
    assert lane.lane.excursion.signs == {"tool_error": 12}
    signal = lane.lane.signal(False, RULES)
    assert signal is not None
    assert signal.tier == "signs"


def test_one_bad_answer_and_two_raise_nothing() -> None:
    for sign in ANSWERED:
        lane = Lane()
        assert lane.weigh([verdict(sign)] * (LEAST_BAD - 1) + [verdict()] * 50) == 0
        assert lane.lane.excursion is None, "and all is forgotten"
        assert lane.lane.evidence == []


def test_signs_that_change_from_answer_to_answer_pool() -> None:
    mixed = [verdict(sign) for sign in ("refusal", "loop", "contradiction", "language", "short", "empty")]
    lane = Lane()
    needed = lane.weigh(mixed * 2)
    assert 3 <= needed <= 6
    strongest = max(range(len(lane.lane.evidence)), key=lane.lane.evidence.__getitem__)
    assert strongest // 2 == ANY


def test_the_same_share_of_bad_answers_as_ever_raises_nothing() -> None:
    usual = [verdict("refusal")] * 40
    lane = Lane(lane_of(360, usual))
    assert lane.weigh(([verdict("refusal")] + [verdict()] * 9) * 40) == 0


def test_a_young_series_asks_for_unanimous_answers() -> None:
    young = Lane(lane_of(50))
    needed = young.weigh([verdict("refusal")] * 10)
    assert 4 <= needed <= 6
    young = Lane(lane_of(50))
    third = [verdict("refusal"), verdict(), verdict()] * 20
    assert young.weigh(third) == 0
    assert Lane(lane_of(400)).weigh(third) > 0


def test_a_series_without_answers_has_no_signal() -> None:
    lane = Lane(QualityLane())
    assert lane.weigh([verdict("empty")] * 50) == 0
    assert lane.aside("tool_error", [True] * 50) == 0
    assert lane.lane.signal(False, RULES) is None
    assert lane.lane.strength(0, RULES) == 0.0
    assert (lane.lane.ratio, lane.lane.alone_h, lane.lane.joint_h) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("least", "sign", "is_bad"),
    [
        (0.3, "refusal", True),
        (0.3, "loop", False),
        (0.3, "length", False),
        (0.9, "length", True),
        (0.7, "length", True),
        (0.05, "refusal", False),
        (0.05, "empty", True),
    ],
)
def test_the_rule_says_which_signs_are_bad(least: float, sign: QualityReason, is_bad: bool) -> None:
    rules = Rules(quality_min=least)
    lane = Lane(lane_of(quality_min=least), rules)
    assert (lane.weigh([verdict(sign)] * 10) > 0) is is_bad
    if not is_bad:
        assert lane.lane.excursion is None
    together = Lane(lane_of(quality_min=least), rules)
    assert together.weigh([verdict(sign, "empty")] * 10) > 0, "another sign beside it is"


@pytest.mark.parametrize(("least", "is_bad"), [(0.3, False), (0.7, True)])
def test_the_rule_holds_for_tools_too(least: float, is_bad: bool) -> None:
    rules = Rules(quality_min=least)
    assert (Lane(lane_of(quality_min=least), rules).aside("tool_error", [True] * 10) > 0) is is_bad


def test_a_change_that_is_too_small_to_matter_is_none() -> None:
    """However sure it is: one bad answer in twenty, where there was one in a hundred."""
    lane = Lane(lane_of(990, [verdict("refusal")] * 10))
    assert lane.weigh(([verdict("refusal")] + [verdict()] * 19) * 100) == 0


@pytest.mark.parametrize(
    ("signs", "tier", "words"),
    [
        (("refusal", "refusal", "contradiction"), "signs", "refuse"),
        (("contradiction", "contradiction", "refusal"), "similarity", "contradict"),
        (("unlike", "unlike", "refusal"), "semantics", "unlike"),
    ],
)
def test_it_names_what_most_bad_answers_do(signs: tuple[QualityReason, ...], tier: str, words: str) -> None:
    lane = Lane()
    lane.weigh([verdict(sign) for sign in signs] * 3)
    signal = lane.lane.signal(False, RULES)
    assert signal is not None
    assert signal.tier == tier
    assert words in signal.detail


def opened(*signs: QualityReason, lane: Lane | None = None) -> Lane:
    """A lane whose signal an alert has taken."""
    lane = Lane() if lane is None else lane
    assert lane.weigh([verdict(sign) for sign in signs] * 10)
    lane.lane.begin(lane.at_ms)
    return lane


def test_it_is_over_when_answers_are_as_before() -> None:
    lane = opened("refusal")
    lane.weigh([verdict("refusal")] * 30)
    assert not lane.lane.recovered
    lane.weigh([verdict()] * 40)
    assert lane.lane.recovered
    assert lane.lane.signal(False, RULES) is not None


def test_it_is_not_over_while_a_tool_fails_beside_good_answers() -> None:
    lane = Lane()
    lane.aside("tool_error", [True] * 10)
    assert lane.raised
    lane.lane.begin(lane.at_ms)
    for _ in range(100):
        lane.weigh([verdict()])
        lane.aside("tool_error", [True])
    assert not lane.lane.recovered
    for _ in range(100):
        lane.weigh([verdict()])
        lane.aside("tool_error", [False])
    assert lane.lane.recovered


def test_an_open_signal_is_told_by_the_baseline_from_before() -> None:
    lane = opened("refusal")
    before = lane.lane.test
    lane.lane.test = QualityTest(n=LEAST_N, p50=0.1)
    signal = lane.lane.signal(True, RULES)
    assert signal is not None
    assert signal.baseline.n == before.n
    assert signal.baseline.p50 == before.p50


def test_the_worse_the_answers_the_higher_the_ratio() -> None:
    bad, worse = opened("short"), opened("empty")
    assert worse.lane.ratio > bad.lane.ratio > 1


@pytest.mark.parametrize(
    ("sign", "blind"), [("contradiction", True), ("unlike", True), ("shape", True), ("refusal", False)]
)
def test_an_adopted_level_is_recovered_from_by_signs_alone(sign: QualityReason, blind: bool) -> None:
    """Its answers are the references then: they would all be found good."""
    lane = opened(sign)
    lane.lane.adopt()
    assert lane.lane.blind is blind
    assert lane.lane.open
    lane.weigh([verdict()] * 100)
    assert lane.lane.recovered is not blind
    lane.lane.end()
    again = opened("refusal", lane=lane)
    assert not again.lane.blind, "the next alert sees again"


def test_adopting_without_evidence_is_not_blind() -> None:
    lane = QualityLane()
    lane.adopt()
    assert not lane.blind


signs_shown = st.lists(st.lists(st.sampled_from(ANSWERED), max_size=3, unique=True), max_size=80)


@given(signs_shown, st.sampled_from([0.3, 0.7, 0.9]), st.booleans())
def test_any_answers_leave_a_lane_that_can_be_stored(
    answers: list[list[QualityReason]], least: float, ready: bool
) -> None:
    rules = Rules(quality_min=least)
    lane = Lane(lane_of(400 if ready else 50, quality_min=least), rules)
    lane.weigh([verdict(*signs) for signs in answers])
    assert all(total >= 0.0 for total in lane.lane.evidence)
    packed = msgspec.msgpack.encode(lane.lane)
    assert msgspec.msgpack.encode(msgspec.msgpack.decode(packed, type=QualityLane)) == packed
    good = all(
        min((SIGN_SCORES.get(sign, UNLIKE) for sign in signs), default=1) >= least for signs in answers
    )
    if good:
        assert lane.lane.excursion is None
