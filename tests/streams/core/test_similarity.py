import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Indel

from lumina_streams.core.quality.answer import Answer, is_json, script_of, split_words
from lumina_streams.core.quality.prompt import PromptKey
from lumina_streams.core.quality.references import ANSWERS, PROMPTS, TEXT_BYTES, Candidate, References
from lumina_streams.core.quality.similarity import Vocabulary
from lumina_streams.core.quality.similarity import similarity as coded_similarity


def similarity(answer: Answer, reference: Answer) -> float:
    """S of two answers that no vocabulary has seen yet."""
    vocabulary = Vocabulary()
    reference = Answer(reference.text)
    vocabulary.learn(reference)
    vocabulary.read(answer)
    return coded_similarity(answer, reference)


PARIS = "The capital of France is Paris, which lies on the Seine."


@given(st.text(max_size=300), st.text(max_size=300))
def test_similarity_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    a, b = Answer(one), Answer(other)
    assert 0 <= similarity(a, b) <= 1
    assert similarity(a, b) == pytest.approx(similarity(b, a))
    assert similarity(a, Answer(one)) == 1.0


@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.lists(st.sampled_from("abcdefgh"), max_size=30))
def test_codes_compare_like_the_words(one: list[str], other: list[str]) -> None:
    answer, reference = Answer(" ".join(one)), Answer(" ".join(other))
    vocabulary = Vocabulary()
    vocabulary.learn(reference)
    vocabulary.read(answer)
    assert Indel.normalized_similarity(answer.code, reference.code) == Indel.normalized_similarity(one, other)


def test_an_edited_answer_is_nearer_than_an_unrelated_one() -> None:
    edited = Answer(PARIS.replace("lies on", "stands by"))
    unrelated = Answer("Shipping takes four days and your parcel was left at the front door.")
    assert similarity(Answer(PARIS), edited) > 0.85
    assert similarity(Answer(PARIS), unrelated) < 0.65


def test_layout_counts() -> None:
    words = "one two three four five six"
    listed = "\n- " + "\n- ".join(words.split())
    assert similarity(Answer(words), Answer(listed)) < similarity(Answer(words), Answer(words + " seven"))


def test_scripts_without_spaces_are_compared_by_character() -> None:
    tokyo = "東京は日本の首都です。人口は約千四百万人です。"
    assert len(split_words(tokyo)) == len(tokyo)
    near = similarity(Answer(tokyo), Answer(tokyo.replace("約", "およそ")))
    far = similarity(Answer(tokyo), Answer("申し訳ございません、その質問には回答いたしかねます。"))
    assert near > 0.85
    assert far < 0.7


def test_two_different_chinese_texts_are_not_alike() -> None:
    assert similarity(Answer("巴黎是法国的首都"), Answer("请重置您的密码并重试")) < 0.6


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("hello", "latin"),
        ("Привет, мир", "cyrillic"),
        ("你好", "han"),
        ("مرحبا", "arabic"),
        ("1 + 1 = 2", ""),
        ("สวัสดี", "thai"),
        ("", ""),
    ],
)
def test_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert script_of(text) == script


def test_composed_and_decomposed_letters_are_equal_words() -> None:
    assert split_words("caf\u00e9 cr\u00e8me") == split_words("cafe\u0301 cre\u0300me")


def test_json_is_compared_by_its_shape() -> None:
    one = Answer(json.dumps({"name": "Ada", "items": [{"id": 1, "price": 2.5}]}))
    same = Answer(json.dumps({"name": "Bob", "items": [{"id": 7, "price": 0.5}, {"id": 8, "price": 1.5}]}))
    other = Answer(json.dumps({"error": "none", "code": 3}))
    assert one.paths == {".name:str", ".items[].id:int", ".items[].price:float"}
    assert one.paths == same.paths
    assert similarity(one, same) > similarity(one, other)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ('{"a": 1}', True),
        ("```json\n[1, 2]\n```", True),
        ('{"a": 1', False),
        ("plain", False),
        ("", False),
        ("[" * 100_000, None),
        ("[" * 5_000, False),
    ],
)
def test_json_is_recognised(text: str, valid: bool | None) -> None:
    assert is_json(text) is valid


def test_long_answers_are_cut_to_both_ends() -> None:
    answer = Answer("start " + "x" * 100_000 + " end")
    assert len(answer.text) < 4000
    assert answer.words[0] == "start"
    assert answer.words[-1] == "end"
    assert len(Answer("w " * 1400).words) == 384


def key(exact: int, template: int) -> PromptKey:
    return PromptKey(exact.to_bytes(8, "big"), template.to_bytes(8, "big"))


def learned(*entries: tuple[PromptKey, str]) -> References:
    references = References()
    references.learn([Candidate(k.exact, k.template, text) for k, text in entries], [], 1)
    return references


def test_only_the_same_prompt_is_compared_and_the_exact_one_first() -> None:
    references = learned(
        (key(1, 9), PARIS), (key(2, 9), "The capital of Spain is Madrid."), (key(3, 8), "no")
    )
    exact = references.compare(key(2, 9), Answer("The capital of Spain is Madrid."))
    template = references.compare(key(4, 9), Answer("The capital of Italy is Rome."))
    assert exact is not None
    assert (exact.score, exact.nearness) == (1.0, "exact")
    assert template is not None
    assert template.nearness == "template"
    assert references.compare(key(3, 7), Answer("no")) is None


def test_the_table_is_bounded_and_forgets_the_least_lately_used() -> None:
    rng = random.Random(1)
    references = learned((key(0, 0), "kept " * 40))
    for fold in range(2, 120):
        texts = [(key(n, n % 100), "".join(rng.choices("abcdefgh ", k=300))) for n in range(fold, fold + 3)]
        slot = references.compare(key(0, 0), Answer("kept"))
        assert slot is not None
        references.learn([Candidate(k.exact, k.template, text) for k, text in texts], [slot.slot], fold)
    packed, used = references.pack()
    assert len(used) <= PROMPTS
    assert len(packed) < TEXT_BYTES
    twin = References()
    twin.load(packed, list(used))
    assert twin.pack() == (packed, used)
    assert twin.compare(key(0, 0), Answer("kept")) == references.compare(key(0, 0), Answer("kept"))


def test_a_full_template_replaces_and_never_grows() -> None:
    references = learned(*((key(n, 1), f"answer number {n}") for n in range(40)))
    _, used = references.pack()
    assert len(used) == 1
    found = [references.compare(key(n, 1), Answer(f"answer number {n}")) for n in range(40)]
    assert sum(likeness is not None and likeness.nearness == "exact" for likeness in found) <= ANSWERS


def test_a_repeated_answer_adds_nothing() -> None:
    references = learned((key(1, 1), PARIS))
    likeness = references.compare(key(1, 1), Answer(PARIS))
    assert not references.wants(key(1, 1), likeness, lot=0)
    assert references.wants(key(2, 2), None, lot=1)
