"""What one answer is worth beside earlier ones: signs alone and together, likeness, facts, numbers."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conversations as c
from conversations import Talk
from lumina_streams.core.quality.answer import Answer
from lumina_streams.core.quality.fit import QualityTest, Usual
from lumina_streams.core.quality.history import PLACES
from lumina_streams.core.quality.references import References
from lumina_streams.core.quality.score import SIGN_SCORES, SIMILARITY_SIGNS, Verdict, judge
from lumina_streams.core.series.call import CallMessage, CallTool
from lumina_streams.core.series.rules import Rules
from streams.core.bench import message
from streams.core.judged import Judged, could_show, shown

ENGLISH = QualityTest(languages=("en",))
JSON = QualityTest(answers_json=True)
IN_ENGLISH = "Your order is on its way to you and it will be there in three days."
IN_GERMAN = "Ihre Bestellung ist auf dem Weg zu Ihnen und wird in drei Tagen bei Ihnen sein."


def alone(
    answer: str, test: QualityTest | None = None, question: str = "Where is it?", **fields: Any
) -> Verdict:
    """The verdict about an answer that nothing came before."""
    series = Judged()
    found = judge(series.call(question, answer, **fields), References(), test or QualityTest(), Rules())
    assert found is not None
    return found


def told(talk: Talk, count: int = 80, seed: int = 1, **rules: Any) -> Judged:
    """A series that has had a conversation."""
    rng = random.Random(seed)
    series = Judged(rules=Rules(min_samples=40, **rules))
    series.learn((said.question, said.answer) for said in (talk(rng) for _ in range(count)))
    return series


# signs of any answer


def test_the_gravest_sign_names_the_score() -> None:
    both = alone("I'm sorry, but I can't help with that request.", finish_reasons=("length",))
    assert shown(both) == {"refusal", "length"}
    assert (both.sign, both.score) == ("refusal", SIGN_SCORES["refusal"])
    looping = "I'm sorry, but I can't help with that. " * 30
    assert shown(alone(looping)) == {"refusal", "loop"}
    assert alone(looping).sign == "refusal"
    cut = alone(json.dumps({"a": 1})[:-1], JSON, finish_reasons=("length",))
    assert shown(cut) == {"invalid_json", "length"}
    assert (cut.sign, cut.score) == ("invalid_json", SIGN_SCORES["invalid_json"])


@pytest.mark.parametrize("reason", ["content_filter", "SAFETY", "guardrail_intervened", "RECITATION"])
def test_a_filtered_answer_is_not_just_empty(reason: str) -> None:
    assert shown(alone("", finish_reasons=(reason,))) == {"content_filter"}


@pytest.mark.parametrize("reason", ["stop", "end_turn", "STOP", "tool_calls", ""])
def test_other_reasons_to_finish_are_none(reason: str) -> None:
    assert alone(IN_ENGLISH, finish_reasons=(reason,)).score == 1.0


LOOPS = {
    "a sentence": "Please check your order again. " * 40,
    "behind a good beginning": IN_ENGLISH * 3 + " The parcel is late and" * 30,
    "a word": "the " * 200,
    "a letter": "a" * 500,
    "Chinese": "您的订单已发货。" * 60,
    "Arabic": "تم شحن طلبك وهو في الطريق. " * 30,
    "Thai": "พัสดุของคุณอยู่ระหว่างการจัดส่ง" * 20,
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_a_loop_is_one_in_any_script(text: str) -> None:
    assert "loop" in shown(alone(text))


NO_LOOPS = {
    "a list": "\n".join(f"- Item {n}: part number {n * 7919 % 10_007}, in stock." for n in range(80)),
    "a table": "\n".join(f"| {n} | {n * 31 % 97} | {'yes' if n % 3 else 'no'} |" for n in range(90)),
    "JSON": json.dumps([{"id": n, "name": f"item {n * 13 % 89}", "price": n * 1.25} for n in range(60)]),
    "short": "no no no no no no",
    "Arabic": " ".join(
        f"الطلب رقم {n * 37 % 9973} تم شحنه من المستودع رقم {n % 7} وسيصل خلال {n % 5 + 2} أيام عمل."
        for n in range(40)
    ),
    "German": " ".join(
        f"Die Bestellung {n * 37 % 9973} von Platz {n * 11 % 83} verließ am {n % 28 + 1}. Lager {n * 7 % 13}."
        for n in range(60)
    ),
    "Chinese": "".join(f"第{n}个订单编号{n * 7919 % 10_007}，预计{n % 9 + 1}天内送达。" for n in range(60)),
    "code": "\n".join(f"def part_{n}(a: int) -> int:\n    return a * {n * 17 % 101}\n" for n in range(40)),
}  # fmt: skip


@pytest.mark.parametrize("text", NO_LOOPS.values(), ids=NO_LOOPS)
def test_a_long_regular_text_is_no_loop(text: str) -> None:
    assert "loop" not in shown(alone(text))


@given(st.text(max_size=2000), st.sampled_from(["", "a", "ab ", "的"]), st.integers(0, 400))
@settings(max_examples=60)
def test_any_text_is_searched_for_loops(text: str, piece: str, times: int) -> None:
    found = alone(text + piece * times)
    assert 0.0 <= found.score <= 1.0
    assert "loop" in could_show(found)


def test_broken_json_has_no_further_signs() -> None:
    series = told(c.ticket)
    broken = c.ticket_cut_short(random.Random(3))
    found = series.say(broken.question, broken.answer)
    assert shown(found) == {"invalid_json"}
    assert found.likeness is None


def test_a_call_of_a_tool_is_no_text() -> None:
    """Neither JSON nor a language, and nothing that it could be like."""
    series = told(c.ticket)
    question = c.ticket(random.Random(3)).question
    found = series.say(question, "", output_messages=(), tool_calls=(CallTool("look_up"),))
    assert (found.sign, found.score) == ("", 1.0)
    assert could_show(found).isdisjoint(SIMILARITY_SIGNS | {"invalid_json", "language"})


# language


def test_a_language_flip_counts_where_languages_are_known() -> None:
    assert alone(IN_GERMAN).sign == ""
    found = alone(IN_GERMAN, ENGLISH)
    assert (found.sign, found.score, found.tier) == ("language", SIGN_SCORES["language"], "signs")
    assert alone(IN_ENGLISH, ENGLISH).sign == ""
    assert "language" in could_show(alone(IN_ENGLISH, ENGLISH))
    assert "language" not in could_show(alone("ok", ENGLISH)), "too short to say"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Wo ist meine Bestellung, und wann kommt sie bei mir an?", IN_GERMAN),
        ("我的订单在哪里？", "您的订单已发货，将在三个工作日内送达。"),
        ("أين طلبي ومتى يصل؟", "تم شحن طلبك وسيصل خلال ثلاثة أيام."),
    ],
)
def test_who_asks_in_another_language_is_answered_in_it(question: str, answer: str) -> None:
    assert alone(answer, ENGLISH, question).sign == ""
    assert alone(answer, ENGLISH, "Where is my order?").sign == "language"
    assert alone(IN_ENGLISH, QualityTest(languages=("fr",)), question).sign == "language"


# JSON


SHAPE = {"id": 7, "state": "sent", "tags": ["a", "b"], "price": 1.5}


def of_json(**more: Any) -> Judged:
    """A series that answers JSON, every second time with fields that others have not."""
    series = Judged()
    series.learn(
        (f"Describe order {n} of the shop, please.", json.dumps(SHAPE | {"id": n} | (more if n % 2 else {})))
        for n in range(60)
    )
    return series


def test_another_shape_is_one_and_optional_keys_are_none() -> None:
    series = of_json(note="fragile", discount=0.5)
    question = "Describe order 99 of the shop, please."

    def signs(value: Any) -> set[str]:
        return shown(series.say(question, json.dumps(value))) & {"shape", "invalid_json"}

    usual = SHAPE | {"id": 99}
    assert signs(usual) == set()
    assert signs(usual | {"note": "x", "discount": 0.1}) == set()
    assert signs(usual | {"extra": True}) == set(), "more is no other shape"
    assert signs(dict(reversed(usual.items()))) == set()
    assert signs(usual | {"id": "99"}) == {"shape"}, "another type"
    assert signs({key: value for key, value in usual.items() if key != "state"}) == {"shape"}
    assert signs({"error": "no"}) == {"shape"}
    assert shown(series.say(question, "Order 99 was sent.")) == {"invalid_json"}
    found = series.say(question, json.dumps({"error": "no"}))
    assert (found.score <= SIGN_SCORES["shape"], found.tier) == (True, "similarity")


def test_too_few_answers_have_no_shape() -> None:
    series = Judged()
    series.learn((f"Describe order {n} of the shop, please.", json.dumps(SHAPE)) for n in range(11))
    assert "shape" not in could_show(series.say("Describe order 99 of the shop, please.", "{}"))


def test_a_shape_belongs_to_its_prompt_version() -> None:
    series = of_json()
    found = series.say("Describe order 99 of the shop, please.", '{"new": 1}', prompt_version="2")
    assert "shape" not in could_show(found)


# facts


RIGHT_AND_WRONG: dict[str, tuple[Talk, Talk]] = {
    "number": (c.policy, c.policy_is_wrong),
    "name": (c.france, c.france_is_wrong),
    "name, one wording": (c.paris, c.london),
    "names": (c.capitals, c.capitals_are_wrong),
    "JSON value": (c.ticket, c.ticket_is_wrong),
}


@pytest.mark.parametrize(("right", "wrong"), RIGHT_AND_WRONG.values(), ids=RIGHT_AND_WRONG)
def test_a_contradicted_fact_is_bad_and_the_right_one_is_good(right: Talk, wrong: Talk) -> None:
    series, rng = told(right), random.Random(9)
    scores: list[float] = []
    for _ in range(20):
        bad, good = wrong(rng), right(rng)
        found = series.say(bad.question, bad.answer)
        assert shown(found) & {"contradiction", "unfounded"}
        assert found.score <= 0.3
        assert found.tier == "similarity"
        kept = series.say(good.question, good.answer)
        assert shown(kept).isdisjoint({"contradiction", "unfounded", "shape", "invalid_json"})
        scores.append(kept.score)
    assert sum(score >= 0.7 for score in scores) >= 17, "the shortest wording may be short"


def test_a_wrong_fact_in_a_script_without_capitals() -> None:
    question = "法国的首都是哪里？"
    series = Judged()
    series.learn([(question, "法国的首都是巴黎，位于塞纳河畔。")] * 40)
    found = series.say(question, "法国的首都是里昂，位于塞纳河畔。")
    assert "contradiction" in shown(found)
    assert series.say(question, "法国的首都是巴黎，位于塞纳河畔。").score == 1.0
    assert "contradiction" not in shown(series.say(question, "它是一座美丽的城市，有很多博物馆和咖啡馆。")), (
        "only a copy with something else in one place tells"
    )


def test_what_the_prompt_brought_contradicts_nothing() -> None:
    """The number and the name are those that were asked for, not the usual ones."""
    rng = random.Random(4)

    def exchange(order: int, name: str) -> tuple[str, str]:
        return (
            f"When does order {order} for our customer {name} leave the warehouse?",
            f"The order {order} for {name} leaves the warehouse within 14 days.",
        )

    series = Judged()
    usual = [exchange(rng.randrange(10_000, 99_999), c.person(rng)) for _ in range(60)]
    series.learn(usual)
    for question, answer in (exchange(12, "Zoe Zimmer"), exchange(77_777, "Quentin Quist")):
        assert series.say(question, answer).score == 1.0
    question, answer = exchange(55_555, "Zoe Zimmer")
    assert "contradiction" in shown(series.say(question, answer.replace("14", "41")))
    other = series.say(question, answer.replace("55555", "66666"))
    assert "contradiction" in shown(other), "the order of somebody else"


def test_a_template_known_from_one_prompt_alone_contradicts_nothing() -> None:
    series = Judged()
    series.learn([("What is the capital of France, please?", "The capital of France is Paris.")] * 60)
    other = series.say("What is the capital of Peru, please?", "The capital of Peru is Lima.")
    assert other.place is not None
    assert other.place.nearness == "template"
    assert "contradiction" not in could_show(other)
    assert other.sign not in ("contradiction", "shape")


def test_a_wrong_belief_corrects_itself() -> None:
    """Learned from noise: the first answers were wrong, and those that come are right."""
    question, rng = "How many days do I have for a return of my order?", random.Random(2)
    series = Judged()

    def answer(days: int) -> str:
        opening = rng.choice(("You have", "There are", "It is possible for"))
        return f"{opening} {days} days for a return, counted from the delivery of the order."

    series.learn((question, answer(14)) for _ in range(20))
    assert series.say(question, answer(30)).score < 0.7
    series.learn((question, answer(30)) for _ in range(60))
    assert series.say(question, answer(30)).score >= 0.7, "soon it is no worse than the other"
    series.learn((question, answer(30)) for _ in range(240))
    assert series.say(question, answer(30)).score >= 0.7
    assert "contradiction" in shown(series.say(question, answer(14)))


# numbers that nobody knows


def test_a_number_that_nobody_knows_is_unfounded() -> None:
    series, rng = told(c.policy, 300), random.Random(5)
    good = c.policy(rng)
    assert "unfounded" in could_show(series.say(good.question, good.answer))
    found = series.say(good.question, good.answer + " The fee is 995 dollars.")
    assert "unfounded" in shown(found)
    assert found.score <= SIGN_SCORES["unfounded"]


def test_answers_that_bring_ever_new_numbers_have_no_such_sign() -> None:
    series, rng = told(c.sums, 120), random.Random(5)
    for _ in range(20):
        said = c.sums(rng)
        assert "unfounded" not in shown(series.say(said.question, said.answer))


# length


LONG = "{opening} we received it and will look at it. " + (
    "Please keep the label, the box and the papers until the carrier has been there, and tell us if a part "
    "is missing or was broken on its way, so that it can be replaced."
)
QUESTION = "What do I do with a broken parcel from your shop?"


def test_an_answer_that_is_cut_to_a_part_is_short() -> None:
    rng, series = random.Random(1), Judged()
    openings = ("Thank you,", "Many thanks,", "All right,", "Understood,")
    series.learn((QUESTION, LONG.format(opening=rng.choice(openings))) for _ in range(60))
    whole = LONG.format(opening="Thank you,")
    assert series.say(QUESTION, whole).score == 1.0
    short = series.say(QUESTION, whole[:60])
    assert "short" in shown(short)
    assert short.score <= SIGN_SCORES["short"]
    assert series.say(QUESTION, whole + " " + whole.replace("label", "receipt")).score == 1.0, "longer is not"


def test_what_is_short_for_its_version_is_seen_without_any_earlier_prompt() -> None:
    rng, series = random.Random(3), Judged()

    def exchange() -> tuple[str, str]:
        words = ["".join(rng.choices("abcdefghij", k=7)) for _ in range(40)]
        return " ".join(words[:12]), " ".join(words)

    series.learn((exchange() for _ in range(80)), prompt_version="1")
    question, answer = exchange()
    assert "short" not in shown(series.say(question, answer, prompt_version="1"))
    assert "short" in shown(series.say(question, answer[:60], prompt_version="1"))
    assert "short" not in could_show(series.say(question, answer[:60], prompt_version="2"))


# likeness


def test_what_has_nothing_in_common_is_unlike_and_rewordings_are_not() -> None:
    series, rng = told(c.policy, 120), random.Random(6)
    asked = c.policy(rng).question
    off_topic = "The moon is a lovely place, where nobody ever talks about anything but cheese and silence."
    found = series.say(asked, off_topic)
    assert found.score < 0.7
    assert shown(found) & {"unlike", "short"}
    scores = [series.say(*(said.question, said.answer)).score for said in map(c.reworded_policy, [rng] * 40)]
    assert sum(score >= 0.7 for score in scores) >= 36


def test_a_copy_of_an_earlier_answer_shows_it_as_before() -> None:
    series = told(c.policy, 120)
    said = c.policy_is_wrong(random.Random(6))
    assert "30" in series.say(said.question, said.answer).before
    assert alone(IN_ENGLISH).before == ""


@pytest.mark.parametrize("least", [0.3, 0.7, 0.9])
def test_the_rule_says_what_is_unlike(least: float) -> None:
    series, rng = told(c.policy, 120, quality_min=least), random.Random(8)
    talks: tuple[Talk, ...] = (c.policy, c.reworded_policy, c.longer_policy, c.poem, c.parcel)
    for talk in talks * 10:
        said = talk(rng)
        found = series.say(c.policy(rng).question, said.answer)
        if found.likeness is None:
            continue
        assert ("unlike" in shown(found)) is (found.likeness < least)
        assert found.score <= found.likeness


def test_a_score_follows_how_much_an_answer_holds() -> None:
    """Cut word by word, an answer never becomes better by likeness alone."""
    series, rng = told(c.policy, 120), random.Random(10)
    said = c.policy(rng)
    words = said.answer.split()
    scores = []
    for kept in range(len(words), 3, -1):
        found = series.say(said.question, " ".join(words[:kept]))
        if found.likeness is not None and not found.semantic:
            scores.append(found.likeness)
    assert len(scores) > 5
    assert scores == sorted(scores, reverse=True)


def test_creative_answers_are_compared_with_nothing() -> None:
    rng, series = random.Random(12), Judged()

    def poem() -> str:
        return " ".join("".join(rng.choices("bcdfgaeiou", k=rng.randint(4, 9))) for _ in range(40))

    question = "Write something that nobody has ever written before, please."
    series.learn((question, poem()) for _ in range(120))
    assert series.test.free
    assert all(series.say(question, poem()).score == 1.0 for _ in range(20))
    assert series.say(question, "").score == 0.0, "signs are seen all the same"
    talk = told(c.poem, 120)
    said = [c.poem(rng) for _ in range(40)]
    assert sum(talk.say(one.question, one.answer).score >= 0.7 for one in said) >= 38


def test_a_neighbour_alone_proves_nothing() -> None:
    """Its answers tell what is expected only beside what the prompt itself is about."""
    test = QualityTest(n=400, ready=True, recall=(Usual(0.9, 0.4),) * 3)
    series = told(c.policy, 120)
    series.test = test
    near = "Which days may I come to collect the original payment for the Aurora Lamp of my order?"
    found = series.say(near, "Nothing that was ever said before holds here at all, so it goes.")
    if found.place is not None and found.place.nearness == "near":
        assert found.likeness is None
    exact = c.policy(random.Random(1)).question
    assert series.say(exact, "Nothing that was ever said before holds here at all.").likeness is not None


def test_where_prompts_never_come_again_their_own_terms_are_looked_for() -> None:
    rng, series = random.Random(12), Judged()

    def words(count: int) -> list[str]:
        return ["".join(rng.choices("bcdfgaeiou", k=8)) for _ in range(count)]

    def exchange() -> tuple[str, str]:
        about = words(14)
        return " ".join(about), " ".join(about[:10] + words(10))

    series.learn(exchange() for _ in range(120))
    assert series.test.grounded
    question, answer = exchange()
    assert series.say(question, answer).score >= 0.7
    found = series.say(question, exchange()[1])
    assert found.score < 0.7
    assert "unlike" in shown(found)
    assert found.tier == "similarity"


# what cannot be judged


def test_nothing_is_judged_without_content_and_a_prompt_is_not_needed() -> None:
    series = Judged()
    call = series.call("q", "a", output_messages=(CallMessage("assistant"),), output_tokens=90)
    assert judge(call, References(), QualityTest(), Rules()) is None
    found = series.say("", IN_GERMAN, input_messages=())
    assert (found.prompt, found.place, found.score) == (None, None, 1.0)
    system = series.say("", IN_ENGLISH, input_messages=(message("system", "Be kind."),))
    assert system.prompt is None


def test_an_answer_says_which_tier_decided() -> None:
    series, rng = told(c.policy, 120), random.Random(6)
    good, bad = c.policy(rng), c.policy_is_wrong(rng)
    assert series.say(good.question, good.answer).tier == "similarity"
    assert series.say(bad.question, bad.answer).tier == "similarity"
    assert series.say(good.question, "").tier == "signs"
    assert series.say("Something else entirely, never asked?", IN_ENGLISH).tier == "signs"


def test_a_long_answer_is_looked_at_from_both_ends() -> None:
    assert Answer("a" * 9000).length == 9000
    long = "A word that is said here. " * 3 + " ".join(str(n) for n in range(2000)) + " I'm sorry."
    assert "refusal" not in shown(alone(long)), "who refuses says so at once"


@given(
    st.sampled_from(["policy", "ticket", "capitals", "poem"]),
    st.text(max_size=400),
    st.text(max_size=200),
)
@settings(max_examples=80, deadline=None)
def test_any_answer_among_others_has_a_score_and_its_signs_are_those_looked_for(
    talk: str, answer: str, question: str
) -> None:
    series = LEARNED[talk]
    for asked in (question, c.policy(random.Random(1)).question):
        found = series.say(asked, answer)
        assert 0.0 <= found.score <= 1.0
        assert shown(found) <= could_show(found) | {"content_filter"}
        assert (found.sign == "") is (found.signs == 0)
        if found.sign and found.sign != "unlike":
            assert found.score <= SIGN_SCORES[found.sign]
        assert found.reading.signs & ~found.reading.judged == 0
        assert found.signs & ~found.reading.signs == 0
        assert not found.signs >> len(PLACES)


LEARNED = {
    name: told(talk, 60)
    for name, talk in {"policy": c.policy, "ticket": c.ticket, "capitals": c.capitals, "poem": c.poem}.items()
}
