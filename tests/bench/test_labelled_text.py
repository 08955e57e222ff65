"""Prompts and answers of labelled traffic: the same for a seed, facts in their place, faults that show."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import fmean

import msgspec
import pytest

from labelled.cold_answers import cold_answers
from labelled.incident import Incident, draw_incidents
from labelled.languages import LANGUAGES
from labelled.lookalike import TEXT_TYPES, Lookalike, draw_lookalikes
from labelled.need import need_of
from labelled.score import score
from labelled.series import DAY_MS, HOUR_MS, START_MS, Plan, draw_plan
from labelled.text.fault import QUALITY_TYPES, QualityType, occurs, usual_share, visible
from labelled.text.intents import Library
from labelled.text.plan import KINDS, TextKind, TextPlan, draw_text_plan
from labelled.text.writer import LENGTH, Style, Text, Writer
from labelled.traffic import Traffic
from labelled.watch import News
from lumina_streams.core.series.call import Call, CallMessage

CALM = replace(
    draw_text_plan("1/1", "template"),
    language="en",
    other="ru",
    intents=4,
    variation=0.5,
    points=8,
    stated=0.5,
    lists=0.0,
    refusals=0.0,
    truncated=0.0,
    empty=0.0,
    unparsed=0.0,
    fenced=False,
    undocumented=0.0,
    tool_errors=0.0,
    scattered=False,
)
DISTINCT_KINDS: tuple[TextKind, ...] = tuple(dict.fromkeys(KINDS))
USUAL = Style()
CALLS = 200
ONSET_MS, END_MS = START_MS + 6 * HOUR_MS, START_MS + 12 * HOUR_MS
DAY_END_MS = START_MS + 18 * HOUR_MS


def of_kind(kind: TextKind) -> TextPlan:
    return replace(CALM, kind=kind)


def body(messages: tuple[CallMessage, ...]) -> str:
    return messages[-1].parts[-1].content or ""


def texts(
    plan: TextPlan, style: Style = USUAL, fault: QualityType | None = None, mode: int = 0
) -> list[Text]:
    writer = Writer(plan)
    return [writer.write(style, "v1", fault, mode) for _ in range(CALLS)]


def answers(
    plan: TextPlan, style: Style = USUAL, fault: QualityType | None = None, mode: int = 0
) -> list[str]:
    return [body(text.answer) for text in texts(plan, style, fault, mode)]


def stated_facts(plan: TextPlan, wrong: bool = False) -> set[str]:
    """Policies, phone numbers, names, dates: facts that are hardly ever in a text by chance."""
    library = Library(plan, plan.language)
    return {
        fields[key]
        for intent in library.intents
        for told in intent.says
        if told.sort == "fact"
        for fields in (told.wrong if wrong else (told.fields,))
        for key in ("code", "phone", "name", "date")
        if all(f"{{{key}}}" in phrase for phrase in told.frame)
    }


def mentioned(found: list[str], facts: set[str]) -> float:
    """Share of the answers that mention one of these."""
    return fmean(any(fact in text for fact in facts) for text in found)


@pytest.mark.parametrize("kind", DISTINCT_KINDS)
@pytest.mark.parametrize("code", LANGUAGES)
def test_a_plan_gives_the_same_texts_without_gaps_in_them(kind: TextKind, code: str) -> None:
    plan = replace(of_kind(kind), language=code, other="en" if code != "en" else "ja")
    first = texts(plan)
    assert first == texts(plan)
    assert first != texts(replace(plan, seed="1/2"))
    for text in first:
        for message in (*text.prompt, *text.answer):
            for part in message.parts:
                assert not re.search(r"[\x00-\x08]|\{[A-Za-z0-9]+\}", part.content or "")


@pytest.mark.parametrize("index", range(30))
def test_drawn_plans_write(index: int) -> None:
    plan = draw_text_plan(f"1/{index}")
    found = texts(plan)
    assert all(text.prompt[-1].role == "user" and body(text.prompt) for text in found)
    said = fmean(bool(body(text.answer) or text.tools) for text in found)
    assert said > 0.97


def test_template_prompts_never_repeat_and_faq_prompts_do() -> None:
    prompts = [body(text.prompt) for text in texts(of_kind("template"))]
    assert len(set(prompts)) == CALLS
    prompts = [body(text.prompt) for text in texts(of_kind("faq"))]
    assert len(set(prompts)) < 30


def test_answers_echo_what_the_prompt_says() -> None:
    echoed = [
        name.group(1).lower() in body(text.answer).lower()
        for text in texts(of_kind("template"))
        if (name := re.search(r"My name is (\w+ [\w']+)", body(text.prompt)))
    ]
    assert len(echoed) > 10
    assert fmean(echoed) > 0.3


@pytest.mark.parametrize("variation", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_variation_is_that_of_the_words(variation: float) -> None:
    plan = replace(of_kind("faq"), variation=variation)
    distinct = len(set(answers(plan)))
    assert distinct <= plan.intents + 1 if variation == 0.0 else distinct > 10


@pytest.mark.parametrize("kind", ["faq", "template", "json", "rag"])
def test_other_words_keep_the_facts(kind: TextKind) -> None:
    plan = of_kind(kind)
    facts = stated_facts(plan) if kind != "json" else set()
    usual = answers(plan)
    for style in (Style(voice=1), Style(voice=2, complete=True, longer=1.3), Style(longer=2.0)):
        found = answers(plan, style)
        if style.voice:
            assert len(set(usual) & set(found)) < 0.2 * len(set(usual))
        if kind != "json":
            assert mentioned(found, facts) > 0.9 * mentioned(usual, facts)
            assert mentioned(found, stated_facts(plan, wrong=True) - facts) < 0.03


@pytest.mark.parametrize("kind", ["faq", "template", "rag"])
def test_a_contradiction_states_other_facts(kind: TextKind) -> None:
    plan = of_kind(kind)
    right, wrong = stated_facts(plan), stated_facts(plan, wrong=True)
    usual, found = answers(plan), answers(plan, fault="contradiction")
    assert mentioned(usual, right) > 0.5
    assert mentioned(usual, wrong - right) < 0.03
    assert mentioned(found, right - wrong) < 0.03
    assert mentioned(found, wrong) == pytest.approx(mentioned(usual, right), abs=0.15)
    assert fmean(map(len, found)) == pytest.approx(fmean(map(len, usual)), rel=0.1)


def test_a_contradiction_of_json_has_other_values_under_the_same_keys() -> None:
    plan = of_kind("json")

    def categories(fault: QualityType | None) -> list[tuple[str, str]]:
        return [
            (body(text.prompt), msgspec.json.decode(body(text.answer))) for text in texts(plan, USUAL, fault)
        ]

    topics = [intent.topic["topic"] for intent in Library(plan, "en").intents]
    for fault, right in ((None, 1.0), ("contradiction", 0.0)):
        found = [
            document["category"] == topic  # type: ignore[index]
            for prompt, document in categories(fault)  # type: ignore[arg-type]
            for topic in topics
            if topic.lower() in prompt.lower()
        ]
        assert len(found) > 20
        assert fmean(found) == right


def test_longer_answers_are_longer_and_shortened_ones_shorter() -> None:
    plan = of_kind("template")
    usual = fmean(map(len, answers(plan)))
    assert fmean(map(len, answers(plan, Style(longer=2.0)))) == pytest.approx(2 * usual, rel=0.3)
    assert fmean(map(len, answers(plan, fault="shortened"))) < 0.55 * usual


def test_new_customers_have_other_names_and_ask_for_more() -> None:
    plan = replace(of_kind("template"), zipf=0.0)
    topics = [intent.topic["topic"].lower() for intent in Library(plan, "en").intents]

    def asked(style: Style) -> set[str]:
        prompts = [body(text.prompt).lower() for text in texts(plan, style)]
        return {topic for topic in topics if any(topic in prompt for prompt in prompts)}

    assert len(asked(USUAL)) == plan.intents
    assert asked(Style(customers=1)) > asked(USUAL)


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _keys(text: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(text))


SHOWS: dict[QualityType, Callable[[Text], bool]] = {
    "refusal": lambda text: body(text.answer) in LANGUAGES["en"].refusals,
    "truncation": lambda text: text.finish == LENGTH,
    "wrong_language": lambda text: bool(re.search("[а-я]", body(text.answer))),
    "empty": lambda text: not text.tools and body(text.answer) == "",
    "loop": lambda text: len(set(body(text.answer).split())) < 0.2 * len(body(text.answer).split()),
    "no_documents": lambda text: text.aside == "empty_retrieval",
}


@pytest.mark.parametrize("fault", SHOWS)
@pytest.mark.parametrize("kind", DISTINCT_KINDS)
def test_a_fault_shows_and_nothing_shows_it_else(kind: TextKind, fault: QualityType) -> None:
    plan = of_kind(kind)
    if not occurs(fault, plan):
        assert not visible(fault, plan)
        return
    assert all(SHOWS[fault](text) for text in texts(plan, fault=fault))
    assert not any(SHOWS[fault](text) for text in texts(plan))


def test_json_breaks_in_three_ways() -> None:
    plan = of_kind("json")
    assert all(map(_is_json, answers(plan)))
    (usual,) = set(map(_keys, answers(plan)))
    assert fmean(map(_is_json, answers(plan, fault="broken_json", mode=0))) == 0.0
    assert fmean(map(_is_json, answers(plan, fault="broken_json", mode=1))) == 0.0
    assert usual not in set(map(_keys, answers(plan, fault="broken_json", mode=2)))


def test_a_failed_tool_is_a_span_beside_its_call() -> None:
    found = texts(of_kind("tools"), fault="tool_error")
    assert {text.aside for text in found} == {"failed_tool", ""}
    assert all(bool(text.tools) == bool(text.aside) for text in found)
    assert {text.aside for text in texts(of_kind("tools"))} == {"tool", ""}


@pytest.mark.parametrize("fault", QUALITY_TYPES)
def test_usual_shares_are_those_of_the_plan(fault: QualityType) -> None:
    plan = replace(
        CALM, refusals=0.1, truncated=0.1, empty=0.1, unparsed=0.1, undocumented=0.1, tool_errors=0.1
    )
    share = usual_share(fault, plan)
    assert share in (0.0, 0.1)
    if share and fault in ("refusal", "truncation", "empty"):
        assert fmean(SHOWS[fault](text) for text in texts(plan)) == pytest.approx(share, abs=0.06)


# -- in the traffic of a series


def plans_with_text() -> Iterator[Plan]:
    return (draw_plan(1, index, 0.5, 5.0, text=1.0) for index in range(12))


def without_text(call: Call) -> Call:
    return msgspec.structs.replace(
        call, input_messages=(), output_messages=(), tool_calls=(), finish_reasons=(), src=call.src
    )


def test_cost_and_time_are_the_same_with_and_without_texts() -> None:
    plan = draw_plan(1, 3, 5.0, 5.0, text=1.0)
    assert plan.text is not None
    spoken = replace(plan, text=CALM)
    fault = [Incident("refusal", ONSET_MS, END_MS, 1.0, 0.5)]
    changes = [Lookalike("reworded", ONSET_MS + DAY_MS, END_MS + DAY_MS)]
    said = list(Traffic(spoken, fault, changes, DAY_END_MS))
    silent = list(Traffic(replace(plan, text=None), fault, changes, DAY_END_MS))
    assert [without_text(call) for call in said] == silent


@pytest.mark.parametrize("fault", ["refusal", "empty"])
def test_a_fault_of_an_incident_lies_where_its_label_says(fault: QualityType) -> None:
    plan = replace(draw_plan(1, 3, 20.0, 20.0), text=CALM, error_share=0.0)
    incident = Incident(fault, ONSET_MS, END_MS, 1.0, 0.5)
    inside: list[bool] = []
    outside: list[bool] = []
    for call in Traffic(plan, [incident], [], DAY_END_MS):
        at_ms = call.start_ns // 1_000_000 + round(call.duration_ms)
        shows = SHOWS[fault](Text(call.input_messages, call.output_messages, call.finish_reasons, ()))
        (inside if ONSET_MS <= at_ms < END_MS else outside).append(shows)
    assert fmean(inside) == pytest.approx(0.5, abs=0.05)
    assert not any(outside)


def test_a_dual_incident_spoils_the_dear_calls() -> None:
    plan = replace(draw_plan(1, 3, 20.0, 20.0), text=CALM, error_share=0.0)
    incident = Incident("model_swap", ONSET_MS, END_MS, 2.0, 0.5, "empty", 0.6)
    assert (incident.label, incident.fault, incident.fault_share) == ("dual", "empty", 0.3)
    found = list(Traffic(plan, [incident], [], DAY_END_MS))
    dear = [call for call in found if call.request_model.endswith("-pro")]
    bad = [call for call in found if body(call.output_messages) == ""]
    assert fmean(call in bad for call in dear) == pytest.approx(0.6, abs=0.06)
    assert all(call.request_model.endswith("-pro") for call in bad)


@pytest.mark.parametrize(("kind", "beside"), [("rag", "retrieval"), ("tools", "tool")])
def test_spans_beside_calls_keep_the_order_of_the_log(kind: TextKind, beside: str) -> None:
    plan = replace(draw_plan(1, 3, 5.0, 5.0), text=of_kind(kind))
    found = list(Traffic(plan, [], [], DAY_END_MS))
    offsets = [call.src.offset for call in found]
    assert offsets == sorted(set(offsets))
    assert {call.kind for call in found} == {"llm", beside}
    assert len({call.span_id for call in found}) == len(found)


@pytest.mark.parametrize("only", ["", "quality", "dual", "refusal", "contradiction"])
def test_drawn_incidents_suit_their_series(only: str) -> None:
    types = set()
    for plan in plans_with_text():
        incidents = draw_incidents(plan, 14, 2, only)
        for incident in incidents:
            types.add(incident.label)
            assert plan.text is not None
            assert incident.fault is None or occurs(incident.fault, plan.text)
            hours = (incident.end_ms - incident.onset_ms) / HOUR_MS
            assert hours >= 2 or incident.fault is None
            assert 0 < incident.fault_share <= 1
            if incident.worse:
                assert incident.effective >= 1.3 - 1e-9
            if incident.fault and incident.label != "dual" and hours < 30:
                held = hours * 60 * plan.rate_per_min
                assert held >= 3 * need_of(incident, plan, plan.spread)
        spans = [(label.onset_ms, label.end_ms) for label in incidents]
        labels = draw_lookalikes(plan, incidents, 14, 2)
        spans += [(label.onset_ms, label.end_ms) for label in labels if label.type != "new_endpoint"]
        spans.sort()
        assert all(spans[place][1] <= spans[place + 1][0] for place in range(len(spans) - 1))
    assert only in types or only in ("", "quality")
    if only == "":
        assert types > {"dual", "model_swap"}


def test_every_lookalike_of_texts_is_drawn_and_stays() -> None:
    drawn = {label.type for plan in plans_with_text() for label in draw_lookalikes(plan, [], 14, 2)}
    assert drawn >= set(TEXT_TYPES)
    plan = replace(draw_plan(1, 3, 1.0, 1.0), text=CALM)
    labels = [Lookalike(kind, ONSET_MS, END_MS, 2.0) for kind in TEXT_TYPES]
    traffic = Traffic(plan, [], labels, DAY_END_MS)
    assert traffic.present(START_MS).style == USUAL
    for at_ms in (ONSET_MS, END_MS + HOUR_MS):
        found = traffic.present(at_ms)
        assert found.style == Style(3, 2.6, True, 1)
        assert (found.version, found.release, found.model) == ("v2", "1.0", "-next")


def test_series_without_texts_have_no_faults() -> None:
    plan = draw_plan(1, 3)
    assert plan.text is None
    assert draw_incidents(plan, 14, 2, "quality") == draw_incidents(plan, 14, 2, "dual") == []
    assert not any(incident.fault for incident in draw_incidents(plan, 14, 2))


def test_a_dual_incident_is_found_as_one_alert_only() -> None:
    plan = replace(draw_plan(1, 3, 20.0, 20.0), text=CALM)
    incident = Incident("model_swap", ONSET_MS, END_MS, 2.0, 1.0, "refusal", 1.0)

    def news(kind: str, *signals: str, alert: str = "a", gained: bool = False) -> News:
        return News(ONSET_MS + HOUR_MS, 500, alert, kind, "warning", False, gained, signals)

    def outcome(*told: News, of: Incident = incident) -> tuple[bool, str, int]:
        result = score(0, plan, 0.6, [of], [], [(400, 900)], list(told), None, set(), DAY_END_MS)
        (case,) = result.cases
        assert case.must
        return case.found, case.outcome, len(result.false)

    cost, quality = news("cost_spike", "cost_spike"), news("quality_drop", "quality_drop", alert="b")
    both = news("cost_and_quality", "cost_spike", "quality_drop", gained=True)
    assert outcome(cost, both) == (True, "one_alert", 0)
    assert outcome(cost, quality) == (False, "two_alerts", 0)
    assert outcome(quality) == (False, "quality_alone", 0)
    assert outcome() == (False, "nothing", 0)
    alone = Incident("model_swap", ONSET_MS, END_MS, 2.0)
    assert outcome(cost, both, of=alone) == (True, "", 1)
    assert outcome(quality, of=alone) == (False, "", 1)
    refusals = Incident("refusal", ONSET_MS, END_MS, 1.0, 0.5)
    assert outcome(quality, of=refusals) == (True, "", 0)


def test_what_a_judge_must_see_need_not_be_found() -> None:
    plan = replace(draw_plan(1, 3, 20.0, 20.0), text=CALM)
    subtle = Incident("subtle_fact", ONSET_MS, END_MS, 1.0)
    bloat = Incident("prompt_bloat", ONSET_MS, END_MS, 2.0, 1.0, "contradiction", 1.0)
    assert not subtle.visible(plan)
    assert not bloat.visible(plan)
    assert replace(bloat, worse="refusal").visible(plan)
    assert replace(bloat, type="model_swap").visible(plan)


def test_the_cold_start_of_answers_counts_every_series() -> None:
    figures = cold_answers(1, 2)
    for name, found in figures.items():
        if name not in ("one_bad_answer", "young_series"):
            assert sum(n for key, n in found.items() if key not in ("before", "misses")) == 2
    assert figures["young_series"]["series"] == 2
