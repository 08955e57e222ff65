import os
import subprocess
import sys
import unicodedata
import zlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lumina_streams.core.quality.ngrams import (
    DIMENSIONS,
    HEAD_CHARS,
    MOST_ANSWERS,
    TAIL_CHARS,
    Rarity,
    Vector,
    containment,
    cosine,
    count_grams,
    nearest,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)  # lone surrogates too
WORDS = ["alpha", "beta", "gamma", "delta", "Straße", "東京都", "ภาษา", "नमस्ते", "42"]
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
TEXT = ANY_TEXT | SENTENCES

PARIS = "The capital of France is Paris, which lies on the river Seine."
REWORDED = "Paris, lying on the Seine river, is France's capital."
SHIPPING = "Your parcel was handed to the carrier and will be delivered on Friday."
OTHERS = [
    "The invoice is due on the 3rd of the month.",
    "Which of the two plans fits you depends on the number of users.",
    "The meeting was moved to the afternoon.",
    SHIPPING,
]


def vector(text: str, rarity: Rarity | None = None) -> Vector:
    return (rarity or Rarity()).weigh(count_grams(text))


@given(TEXT, TEXT, st.lists(TEXT, max_size=5))
def test_cosine_is_symmetric_and_between_0_and_1(one: str, other: str, learned: list[str]) -> None:
    rarity = Rarity.of(learned)
    a, b = vector(one, rarity), vector(other, rarity)
    assert 0 <= cosine(a, b) <= 1
    assert cosine(a, b) == pytest.approx(cosine(b, a))
    assert cosine(a, vector(one, rarity)) == pytest.approx(1)


@given(TEXT, TEXT, st.lists(TEXT, max_size=5))
def test_containment_is_between_0_and_1_and_never_falls_with_more_text(
    one: str, other: str, learned: list[str]
) -> None:
    one, other = f"a {one}", f"b {other}"  # marks count only where there are no words at all
    rarity = Rarity.of(learned)
    reference = vector(other, rarity)
    part = containment(vector(one, rarity), reference)
    assert 0 <= part <= containment(vector(f"{one} {SHIPPING}", rarity), reference) + 1e-9 <= 1 + 2e-9
    assert containment(vector(f"{one} {other}", rarity), reference) == pytest.approx(1)


@given(st.lists(TEXT, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_learning_makes_no_difference(texts: list[str], dice: object) -> None:
    shuffled = texts.copy()
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Rarity.of(texts).pack() == Rarity.of(shuffled).pack()


@given(st.lists(TEXT, max_size=8), TEXT)
def test_an_answer_can_be_left_out(texts: list[str], more: str) -> None:
    rarity = Rarity.of([more, *texts])
    assert rarity.without(count_grams(more)).pack() == Rarity.of(texts).pack()
    assert rarity.pack() == Rarity.of([more, *texts]).pack()


def test_an_answer_that_was_not_learned_cannot_be_left_out() -> None:
    with pytest.raises(OverflowError):
        Rarity.of([SHIPPING]).without(count_grams(PARIS))


@given(st.lists(TEXT, max_size=8), TEXT, TEXT)
def test_what_is_packed_comes_back(texts: list[str], one: str, other: str) -> None:
    rarity = Rarity.of(texts)
    back = Rarity.unpack(rarity.pack())
    assert back.pack() == rarity.pack()
    assert vector(one, back).weights == vector(one, rarity).weights
    back.learn(count_grams(other))
    rarity.learn(count_grams(other))
    assert back.pack() == rarity.pack()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no zlib",
        zlib.compress(b"short"),
        zlib.compress(bytes(2 + 2 * DIMENSIONS + 2)),
        zlib.compress(b"\1\0" + b"\2\0" * DIMENSIONS),
        zlib.compress(b"\xff\xff" + bytes(2 * DIMENSIONS)),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a packed Rarity"):
        Rarity.unpack(data)


@given(st.integers(0, 0x10FFFF).map(chr), st.integers(1, 3), st.booleans())
@example("∭", 2, False)  # becomes three letters
@example("ﷺ", 32, True)  # becomes eighteen
def test_any_character_any_number_of_times_can_be_weighed(sign: str, together: int, spaced: bool) -> None:
    counts = count_grams((sign * together + " " * spaced) * (HEAD_CHARS + TAIL_CHARS))
    assert all(0 <= dimension < DIMENSIONS for dimension in counts)
    assert sum(counts.values()) <= 64 * (HEAD_CHARS + TAIL_CHARS)
    assert Rarity().weigh(counts).length > 0 or not counts


def test_of_a_long_text_both_ends_count() -> None:
    middle = "x" * 100_000
    assert count_grams(f"{PARIS} {middle} {SHIPPING}") == count_grams(f"{PARIS} {middle}{middle} {SHIPPING}")
    for word in "paris", "parcel":
        assert count_grams(word).keys() < count_grams(f"{PARIS} {middle} {SHIPPING}").keys()


LETTERS = st.text(st.characters(categories=["L", "Mn", "Nd"], exclude_characters="\u0345"), max_size=8)


@given(st.lists(LETTERS, max_size=5).map(" ".join))
def test_forms_of_letters_make_no_difference(text: str) -> None:
    assert count_grams(unicodedata.normalize("NFC", text)) == count_grams(unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café Noir", "CAFE\u0301 noir!"),
        ("Straße", "STRASSE"),
        ("ＡＢＣ １２３", "abc 123"),
        ("東京、大阪。", "東京 大阪"),
        ("one,two\n- three", "One two (three)"),
        ("snake_case\0x", "snake case x"),
    ],
)
def test_spelling_makes_no_difference(one: str, other: str) -> None:
    assert count_grams(one) == count_grams(other)
    assert count_grams(one + " é") == count_grams(other + " é")


def test_texts_of_marks_alone_have_grams_and_space_has_none() -> None:
    assert cosine(vector("?!"), vector("...")) < 1
    assert cosine(vector("?!"), vector("?!")) == pytest.approx(1)
    assert count_grams(" \n") == {}
    assert cosine(vector(""), vector(" ")) == 1
    assert cosine(vector(""), vector("word")) == containment(vector(""), vector("word")) == 0
    assert containment(vector("word"), vector("")) == 1


def test_reworded_is_nearer_than_unrelated() -> None:
    rarity = Rarity.of([PARIS, *OTHERS])
    paris = vector(PARIS, rarity)
    assert cosine(vector(REWORDED, rarity), paris) > 0.4
    assert max(cosine(vector(other, rarity), paris) for other in OTHERS) < 0.2
    assert containment(vector(f"{SHIPPING} {REWORDED}", rarity), paris) > 0.5


@pytest.mark.parametrize(
    ("text", "inflected", "unrelated"),
    [
        ("Die Lieferung verzögert sich", "Verzögerte Lieferungen", "Der Vertrag wurde gekündigt"),
        ("東京は日本の首都です", "日本の首都は東京である", "料金は来月から変わります"),
        ("अनुबंध समाप्त हो गया", "अनुबंध की समाप्ति", "कल बारिश होगी"),
        ("доставка задерживается", "задержка доставки", "договор расторгнут вчера"),
    ],
)
def test_inflection_and_order_count_little_in_any_script(text: str, inflected: str, unrelated: str) -> None:
    assert cosine(vector(text), vector(inflected)) > 2 * cosine(vector(text), vector(unrelated))


def test_what_every_answer_shows_counts_next_to_nothing() -> None:
    greeting = "Thank you for your message. If anything else is unclear, simply answer this mail."
    one, other = f"{greeting} {PARIS}", f"{greeting} {SHIPPING}"
    rarity = Rarity.of([f"{greeting} {other}" for other in (*OTHERS, PARIS) for _ in range(4)])
    assert cosine(vector(one), vector(other)) > 0.6
    assert cosine(vector(one, rarity), vector(other, rarity)) < 0.2
    same = Rarity.of([greeting] * 50)
    assert cosine(vector(greeting, same), vector(greeting, same)) == pytest.approx(1)


def test_the_nearest_reference_counts() -> None:
    references = [vector(text) for text in OTHERS]
    assert nearest(vector(SHIPPING), references) == pytest.approx(1)
    assert nearest(vector(SHIPPING), []) == 0


def test_old_answers_fade_and_the_size_stays() -> None:
    rarity = Rarity()
    before, after = count_grams(PARIS), count_grams(SHIPPING)
    for _ in range(MOST_ANSWERS):
        rarity.learn(before)
    for _ in range(MOST_ANSWERS):
        rarity.learn(after)
    one, other = rarity.weigh(before), rarity.weigh(after)
    assert max(other.weights.values()) < 2 * max(one.weights.values())
    assert one.total / len(one.weights) > other.total / len(other.weights)
    assert len(rarity.pack()) < 2 * DIMENSIONS
    assert Rarity.unpack(rarity.pack()).pack() == rarity.pack()


def test_every_process_makes_the_same_of_a_text() -> None:
    code = (
        "from lumina_streams.core.quality.ngrams import *\n"
        f"a, b = {PARIS!r}, {REWORDED!r}\n"
        "r = Rarity.of([a, b, '東京は日本の首都です'])\n"
        "print(r.pack().hex(), cosine(r.weigh(count_grams(a)), r.weigh(count_grams(b))).hex())"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1] != b""
