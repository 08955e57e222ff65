"""The quality signal on whole series."""

from typing import Any

import pytest

from lumina_streams.core.quality.answer import answer_text
from lumina_streams.core.quality.prompt import prompt_key
from lumina_streams.core.quality.references import References
from lumina_streams.core.quality.score import QualityTest, is_refusal, judge
from lumina_streams.core.series.call import CallMessage, CallPart, CallTool
from lumina_streams.core.series.rules import Rules


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


def test_prompts_are_the_same_by_text_or_by_template(make_traffic: Any) -> None:
    def key(*texts: str, version: str = "") -> Any:
        messages = tuple(CallMessage("user", (CallPart("text", text),)) for text in texts)
        return prompt_key(make_traffic(content=False).call(input_messages=messages, prompt_version=version))

    one, other = key("Where is order A-1001 of Anna Smith now?"), key("Where is order B7 of Bob Jones now?")
    assert one.exact != other.exact
    assert one.template == other.template
    assert key("Where is order 1?").template != key("Where is invoice 1?").template
    assert key("Was ist die Hauptstadt von Peru").template != key("Was ist die Farbe von Gras").template
    assert key("a", "yes").exact != key("b", "yes").exact
    assert key("a", version="1").exact != key("a", version="2").exact
    assert key("x" * 5000 + "y").exact != key("x" * 5000 + "z").exact
    assert key() is None


@pytest.mark.parametrize("seed", range(4))
def test_usual_answers_raise_nothing(make_traffic: Any, make_bench: Any, seed: int) -> None:
    bench = make_bench()
    bench.feed(make_traffic(seed=seed).calls(800))
    assert bench.alerts == []
    assert bench.state.hot.quality.test.exact.n >= 200


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
    calls = (traffic.call(answer="Lorem ipsum dolor sit amet.") for _ in range(30))
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
