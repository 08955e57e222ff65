"""The quality signal on whole series."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

import conversations as c
from conversations import Talk
from lumina_streams.core.quality.answer import answer_text
from lumina_streams.core.quality.fit import QualityTest
from lumina_streams.core.quality.history import PLACES
from lumina_streams.core.quality.references import References
from lumina_streams.core.quality.refusal import is_refusal
from lumina_streams.core.quality.score import judge
from lumina_streams.core.series.call import Call, CallDocument, CallMessage, CallPart, CallTool
from lumina_streams.core.series.rules import Rules
from streams.core.bench import Bench, Traffic, message

LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed eiusmod tempor incididunt ut labore et "
    "dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip."
)


def verdict(call: Any, test: QualityTest | None = None) -> Any:
    return judge(call, References(), test or QualityTest(), Rules())


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t assist with this request.",
        "As an AI language model, I do not hold opinions.",
        "Tut mir leid, aber ich kann diese Frage nicht beantworten.",
        "Je suis désolé, mais je ne peux pas faire cela.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Desculpe, mas não posso fazer isso.",
        "抱歉，我无法回答这个问题。",
        "申し訳ありませんが、お答えできません。",
        "죄송하지만 도와드릴 수 없습니다.",
    ],
)
def test_refusals_are_recognised(text: str, make_traffic: Any) -> None:
    assert is_refusal(text)
    assert verdict(make_traffic().call(answer=text)).score <= 0.1


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that your parcel is late. It will arrive tomorrow.",
        "You can't return opened items, but we can help you exchange them.",
        "Es tut mir leid, dass Ihr Paket zu spät kommt.",
        "抱歉给您带来不便，您的包裹明天送达。",
    ],
)
def test_apologies_are_no_refusals(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize(
    ("fields", "sign"),
    [
        ({"answer": ""}, "empty"),
        ({"answer": "  \n"}, "empty"),
        ({"answer": "so it", "finish_reasons": ("length",)}, "length"),
        ({"answer": "so it", "finish_reasons": ("MAX_TOKENS",)}, "length"),
        ({"answer": "", "finish_reasons": ("content_filter",)}, "content_filter"),
        ({"answer": "the same again " * 40}, "loop"),
        ({"answer": "A perfectly good answer."}, ""),
    ],
)
def test_hard_signs(fields: dict[str, Any], sign: str, make_traffic: Any) -> None:
    result = verdict(make_traffic().call(**fields))
    assert result.sign == sign
    assert (result.score < 0.7) is bool(sign)


def test_broken_json_counts_only_where_the_series_answers_json(make_traffic: Any) -> None:
    call = make_traffic().call(answer='{"a": 1')
    assert verdict(call).sign == ""
    assert verdict(call, QualityTest(answers_json=True)).sign == "invalid_json"
    cut = make_traffic().call(answer='{"a": 1', truncated=("output_messages",))
    assert verdict(cut, QualityTest(answers_json=True)).sign == ""


def test_no_content_and_errors_are_not_judged(make_traffic: Any) -> None:
    assert verdict(make_traffic(content=False).call()) is None
    assert verdict(make_traffic().call(status="error")) is None
    assert verdict(make_traffic().call(kind="embedding")) is None


def test_what_counts_as_the_answer(make_traffic: Any) -> None:
    traffic = make_traffic(content=False)
    parts = (CallPart("reasoning", "hm"), CallPart("text", "a"), CallPart("text", "b"))
    prompt = (CallMessage("user", (CallPart("text", "q"),)),)
    assert answer_text(traffic.call(output_messages=(CallMessage("assistant", parts),))) == "a\nb"
    assert answer_text(traffic.call(tool_calls=(CallTool("search"),))) == "tool:search"
    assert answer_text(traffic.call(output_messages=(CallMessage("assistant"),))) is None
    assert answer_text(traffic.call(input_messages=prompt, output_tokens=0)) == ""
    assert answer_text(traffic.call(input_messages=prompt, output_tokens=90)) is None


@pytest.mark.parametrize("seed", range(4))
def test_usual_answers_raise_nothing(make_traffic: Any, make_bench: Any, seed: int) -> None:
    bench = make_bench()
    bench.feed(make_traffic(seed=seed).calls(800))
    assert bench.alerts == []
    assert bench.state.hot.quality.test.recall[0].median > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_a_creative_series_is_not_bad_for_being_creative(
    make_traffic: Any, make_bench: Any, seed: int
) -> None:
    from_words = make_traffic(seed=seed)
    bench = make_bench()
    pool = [word for usual in from_words.usual for word in usual]
    for _ in range(600):
        text = " ".join(from_words.rng.choices(pool, k=from_words.rng.randint(20, 80)))
        bench.feed([from_words.call(answer=text)])
    assert bench.alerts == []


def test_one_bad_answer_alone_raises_nothing(make_traffic: Any, bench: Any, refusal: str) -> None:
    traffic = make_traffic(seed=2)
    bench.feed(traffic.calls(300))
    bench.feed([traffic.call(answer=refusal), *traffic.calls(60)])
    bench.feed([traffic.call(answer=""), *traffic.calls(60)])
    assert bench.alerts == []


def test_refusals_are_found_and_shown_beside_an_earlier_answer(
    make_traffic: Any, bench: Any, refusal: str
) -> None:
    traffic = make_traffic(seed=3)
    bench.feed(traffic.calls(300))
    needed, alert = bench.feed_until(traffic.calls(8, answer=refusal), lambda a: a.kind == "quality_drop")
    assert needed <= 5
    assert alert.answers is not None
    assert alert.answers.after == refusal
    assert len(alert.answers.before.split()) >= 30
    assert "refuse" in alert.summary
    assert alert.top_spans[0].quality == 0.1


def test_fifty_good_answers_then_five_refusals(make_traffic: Any, make_bench: Any, refusal: str) -> None:
    for seed in range(5):
        traffic, bench = make_traffic(seed=seed), make_bench()
        bench.feed(traffic.calls(50))
        needed, _ = bench.feed_until(traffic.calls(5, answer=refusal), lambda a: a.kind == "quality_drop")
        assert needed <= 5


def test_a_third_of_refusals_is_found(make_traffic: Any, bench: Any, refusal: str) -> None:
    traffic = make_traffic(seed=4)
    bench.feed(traffic.calls(400))
    mixed = (traffic.call(answer=refusal if n % 3 == 0 else None) for n in range(120))
    _, alert = bench.feed_until(mixed, lambda a: a.kind == "quality_drop")
    assert alert.signals[0].value < 0.9


def test_answers_unlike_the_references_are_found(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=5)
    bench.feed(traffic.calls(400))
    calls = (traffic.call(answer=LOREM) for _ in range(30))
    _, alert = bench.feed_until(calls, lambda a: a.kind == "quality_drop")
    assert "unlike earlier answers" in alert.summary


def test_a_series_that_always_refuses_is_used_to_it(make_traffic: Any, bench: Any, refusal: str) -> None:
    traffic = make_traffic(seed=6)
    bench.feed(traffic.call(answer=refusal if traffic.rng.random() < 0.3 else None) for _ in range(900))
    assert bench.alerts == []


def test_without_content_the_alert_says_what_it_did_not_look_at(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=7, content=False)
    bench.feed(traffic.calls(300))
    _, alert = bench.feed_until(traffic.calls(60, times=3), lambda a: a.kind == "cost_spike")
    assert any(entry.startswith("quality:") for entry in alert.missing)


def said(traffic: Traffic, talk: Talk, count: int = 1, **fields: Any) -> Iterator[Call]:
    """Calls of a conversation."""
    for _ in range(count):
        exchange = talk(traffic.rng)
        content = {
            "input_messages": (message("user", exchange.question),),
            "output_messages": (message("assistant", exchange.answer),),
        }
        yield traffic.call(fields.pop("times", 1.0), **(content | fields))


def quiet_traffic(seed: int) -> Traffic:
    return Traffic(seed=seed, sigma=0.2, content=False)


def test_a_rule_without_the_signal_has_no_alert_of_it(make_bench: Any, refusal: str) -> None:
    bench, traffic = make_bench(rules=Rules(off=("quality_drop",))), Traffic(seed=3, sigma=0.2)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(60, answer=refusal))
    assert bench.alerts == []
    assert bench.state.verdict.sign == "refusal", "scores are given all the same"
    _, alert = bench.feed_until(traffic.calls(30, times=4, answer=refusal), lambda a: a.state == "open")
    assert alert.kind == "cost_spike"
    assert [signal.kind for signal in alert.signals] == ["cost_spike"]


@pytest.mark.parametrize(("least", "alerts"), [(0.05, False), (0.3, True), (0.9, True)])
def test_the_rule_says_what_a_bad_answer_is(
    make_bench: Any, refusal: str, least: float, alerts: bool
) -> None:
    bench, traffic = make_bench(rules=Rules(quality_min=least)), Traffic(seed=3, sigma=0.2)
    bench.feed(traffic.calls(400))
    assert bench.alerts == []
    bench.feed(traffic.calls(10, answer=refusal))
    assert bool(bench.alerts) is alerts


@pytest.mark.parametrize("kind", ["tool", "retrieval"])
def test_tools_and_retrievals_that_fail_raise_it_and_teach_nothing(make_bench: Any, kind: str) -> None:
    bench, traffic = make_bench(), Traffic(seed=3, sigma=0.2)
    good: dict[str, Any] = {"status": "ok"}
    bad: dict[str, Any] = {"status": "error"}
    if kind == "retrieval":
        good, bad = {"retrieval_documents": (CallDocument(),)}, {"retrieval_documents": ()}

    def calls(count: int, outcome: dict[str, Any]) -> Iterator[Call]:
        for _ in range(count):
            yield traffic.call(kind=kind, **outcome)
            yield traffic.call()

    bench.feed(calls(300, good))
    assert bench.alerts == []
    counted = bench.state.hot.calls
    _, alert = bench.feed_until(calls(30, bad), lambda a: a.kind == "quality_drop")
    assert alert.signals[0].tier == "signs"
    place = PLACES["tool_error" if kind == "tool" else "no_documents"]
    assert kind in alert.summary
    before = bench.state.hot.quality.test
    bench.feed(calls(120, bad))
    assert bench.state.cold.answers.hits[place] == 0, "nothing of it is usual yet"
    assert bench.state.cold.held_answers.hits[place] >= 100
    assert bench.state.hot.quality.test == before
    assert bench.state.hot.book.tracks[0].open, "answers beside it are good all along"
    assert bench.state.hot.calls < counted + 200, "they are no calls"
    bench.feed(calls(150, good))
    assert not bench.state.hot.book.tracks[0].open


def test_a_series_that_never_finds_documents_is_used_to_it(make_bench: Any) -> None:
    bench, traffic = make_bench(), Traffic(seed=3, sigma=0.2)
    for _ in range(400):
        bench.feed([traffic.call(kind="retrieval", retrieval_documents=()), traffic.call()])
    assert bench.alerts == []
    place = PLACES["no_documents"]
    assert bench.state.cold.answers.trials[place] == bench.state.cold.answers.hits[place] > 300
    assert bench.state.hot.quality.test.bases[place] == 0.0


def test_what_stands_beside_no_call_is_left_out(make_bench: Any) -> None:
    bench, traffic = make_bench(), Traffic(seed=3, sigma=0.2)
    bench.feed([traffic.call(kind="tool", status="error")])
    assert bench.state.hot.asides == [], "there is no call yet"
    bench.feed(traffic.calls(3))
    failed = traffic.call(kind="retrieval", status="error")
    tool = traffic.call(kind="tool", status="error")
    again = traffic.call(kind="tool", status="error", span_id=tool.span_id)
    bench.feed([failed, tool, again])
    assert bench.state.hot.asides == [1, 1, 0, 0], (
        "a retrieval that failed tells nothing; a retry counts once"
    )


@pytest.mark.parametrize(
    ("right", "wrong", "most"),
    [
        (c.paris, c.london, 5),
        (c.france, c.france_is_wrong, 5),
        (c.ticket, c.ticket_is_wrong, 5),
        (c.policy, c.policy_is_wrong, 9),  # of three wordings, one may not be known yet
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_good_answers_then_a_few_that_contradict_them(
    make_bench: Any, right: Talk, wrong: Talk, most: int, seed: int
) -> None:
    bench, traffic = make_bench(), quiet_traffic(seed)
    bench.feed(said(traffic, right, 50))
    _, alert = bench.feed_until(said(traffic, wrong, most), lambda a: a.kind == "quality_drop")
    assert alert.signals[0].tier == "similarity"
    assert alert.answers is not None
    assert alert.answers.before != alert.answers.after


def test_mixed_failures_are_one_drop(make_bench: Any, refusal: str) -> None:
    """No sign alone is frequent: a third refuses, a third is cut off, a third loops, among good ones."""
    bench, traffic = make_bench(), Traffic(seed=3, sigma=0.2)
    bench.feed(traffic.calls(400))
    kinds: list[dict[str, Any]] = [
        {"answer": refusal},
        {"finish_reasons": ("length",)},
        {"answer": "Your order was sent. " * 40},
        {},
        {},
    ]
    calls = (traffic.call(**kinds[n % len(kinds)]) for n in range(60))
    needed, alert = bench.feed_until(calls, lambda a: a.kind == "quality_drop")
    assert needed <= 25
    assert 0.3 < alert.signals[0].value < 0.9


def test_weak_halves_are_one_critical_alert(make_bench: Any, refusal: str) -> None:
    """A rise and a share of refusals that alone take longer, or never come."""
    bad: dict[str, Any] = {"times": 1.7}

    def needed(cost: bool, quality: bool, kind: str) -> int:
        bench, traffic = make_bench(), Traffic(seed=11, sigma=0.2)
        bench.feed(traffic.calls(400))
        refused = random.Random(1)
        for number in range(1, 120):
            fields = dict(bad) if cost else {}
            if quality and refused.random() < 0.25:
                fields["answer"] = refusal
            for alert in bench.feed([traffic.call(**fields)]):
                if alert.kind == kind:
                    return number
        return 10_000

    both = needed(True, True, "cost_and_quality")
    assert both <= max(needed(True, False, "cost_spike"), needed(False, True, "quality_drop"))
    assert both < 60


def test_it_says_why_it_says_nothing_about_quality(make_bench: Any) -> None:
    def missing(traffic: Traffic, history: int, **fields: Any) -> str:
        bench = make_bench()
        for _ in range(history):
            bench.feed([traffic.call(**_content(traffic, fields))])
        calls = (traffic.call(6, **_content(traffic, fields)) for _ in range(60))
        _, alert = bench.feed_until(calls, lambda a: a.kind == "cost_spike")
        return "\n".join(entry for entry in alert.missing if entry.startswith("quality:"))

    assert "no answers were captured" in missing(Traffic(seed=7, content=False, sigma=0.2), 300)
    assert "learning" in missing(Traffic(seed=7, sigma=0.2), 120)
    assert missing(Traffic(seed=7, sigma=0.2), 300) == ""
    assert "free-form" in missing(Traffic(seed=7, content=False, sigma=0.2), 300, free=True)


def _content(traffic: Traffic, fields: dict[str, Any]) -> dict[str, Any]:
    if "free" not in fields:
        return fields
    words = ["".join(traffic.rng.choices("bcdfgaeiou", k=7)) for _ in range(40)]
    asked = message("user", "Write something that nobody has ever written before, please.")
    return {"input_messages": (asked,), "output_messages": (message("assistant", " ".join(words)),)}


def test_a_level_that_stays_becomes_the_baseline_and_its_answers_the_references(make_bench: Any) -> None:
    """Then they are good, and only a return by signs could be seen: it is not over by itself."""
    bench: Bench = make_bench(rules=Rules(adopt_after_s=900))
    traffic = quiet_traffic(1)
    bench.feed(said(traffic, c.policy, 300))
    bench.feed_until(said(traffic, c.policy_is_wrong, 20), lambda a: a.kind == "quality_drop")
    known = bench.state.cold.references
    assert len(known) > 0
    before = bench.state.hot.quality.test
    bench.feed_until(said(traffic, c.policy_is_wrong, 400), lambda a: a.reason == "adopted")
    assert bench.state.hot.quality.blind
    assert len(known) == 0, "what was answered before is no measure any more"
    assert bench.state.hot.quality.test != before
    bench.feed(said(traffic, c.policy_is_wrong, 200))
    assert bench.state.verdict is not None
    assert bench.state.verdict.score >= 0.7
    assert len(known) > 0
    assert [alert.state for alert in bench.alerts] == ["open"] * len(bench.alerts)


def test_refusals_that_become_the_baseline_can_still_recover(make_bench: Any, refusal: str) -> None:
    bench, traffic = make_bench(rules=Rules(adopt_after_s=900)), Traffic(seed=3, sigma=0.2)
    bench.feed(traffic.calls(300))
    bench.feed_until(traffic.calls(10, answer=refusal), lambda a: a.kind == "quality_drop")
    bench.feed_until(traffic.calls(400, answer=refusal), lambda a: a.reason == "adopted")
    assert not bench.state.hot.quality.blind
    _, alert = bench.feed_until(traffic.calls(100), lambda a: a.state == "resolved")
    assert alert.reason == "recovered"


def test_what_was_learned_from_noise_mends_itself(make_bench: Any) -> None:
    """The first answers were wrong by chance: those that are right are not bad for ever."""
    rng, traffic, bench = random.Random(5), quiet_traffic(4), make_bench()

    def calls(days: int, count: int) -> Iterator[Call]:
        return said(traffic, c.returns(days=days), count)

    bench.feed(calls(14, 12))
    bench.feed(said(traffic, lambda _: c.returns(days=rng.choice((14, 30)))(rng), 40))
    bench.feed(calls(30, 400))
    assert bench.state.verdict.score >= 0.7
    assert not any(track.open for track in bench.state.hot.book.tracks)
