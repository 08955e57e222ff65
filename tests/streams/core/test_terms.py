"""Terms, languages and JSON of answers, in any script."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.quality.answer import Answer, shape_terms, value_texts
from lumina_streams.core.quality.language import language_of, script_of
from lumina_streams.core.quality.terms import is_number, names, numbers, plain, terms, weight

ANY = st.text(st.characters(), max_size=400)  # surrogates too


@given(ANY)
def test_any_text_has_terms_that_are_found_in_it(text: str) -> None:
    looked_at = plain(text)
    for term in terms(looked_at):
        assert term in looked_at
        assert weight(term) >= 0
    assert set(numbers(looked_at)) <= set(terms(looked_at))
    names(text)
    language_of(text, looked_at)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The refund takes 14 days.", [b" the", b" refund", b" takes", b" 14 ", b" days"]),
        ("Shipping/shipped: #48213!", [b" shippi", b" shippe", b" 48213 "]),
        ("1,200.50 or 1.200", [b" 1200 ", b" 50 "]),
        ("法国的首都是巴黎。", ["法国", "首都"]),
        ("你的iPhone已发货", [" iphone", "发货"]),
        ("总价为1,200元，运费35元", [b" 1200 ", b" 35 "]),
        ("Größe", [" größe"]),
        ("столица", [" столиц"]),
    ],
)
def test_terms_of_a_text(text: str, expected: list[bytes | str]) -> None:
    found = list(terms(plain(text)))
    wanted = [term.encode() if isinstance(term, str) else term for term in expected]
    assert [term for term in found if term in wanted] == wanted
    assert plain(text).startswith(b" ")


def test_composed_and_decomposed_letters_are_equal() -> None:
    assert plain("caf\u00e9 cr\u00e8me") == plain("cafe\u0301 cre\u0300me")


def test_typographic_marks_are_blanks() -> None:
    assert list(terms(plain("\u201cParis\u201d \u2026 (London)\u2014Rome"))) == [
        b" paris",
        b" london",
        b" rome",
    ]


def test_numbers_are_whole_and_heavy() -> None:
    assert numbers(plain("14 days, 35%, A-1001")) == [b" 14 ", b" 35 ", b" 1001 "]
    assert is_number(b" 14 ")
    assert not is_number(b" days")
    assert weight(b" 14 ") > weight(b" days") > weight(b" the")


def test_names_stand_inside_of_sentences() -> None:
    assert names("The capital is Paris, not London.") == {b" paris", b" london"}
    assert names("It closes at six. Come early.") == set()
    german = "Die Erstattung der Bestellung dauert bei Rückgabe der Ware im Laden wenige Tage bis Wochen"
    assert names(german) == set(), "nouns are no names"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Your order has been shipped and will arrive in 3 days with our carrier.", "en"),
        (
            "Ihre Bestellung wurde versandt und kommt in 3 Tagen mit der Post zu Ihnen.",
            "de",
        ),
        ("Su pedido ha sido enviado y llegará en 3 días con nuestro transportista.", "es"),
        ("Votre commande a été expédiée et arrivera dans 3 jours par notre transporteur.", "fr"),
        ("O seu pedido foi enviado e vai chegar em 3 dias com a nossa transportadora.", "pt"),
        ("Ваш заказ отправлен и будет доставлен через 3 дня, это не занимает много времени", "ru"),
        ("ご注文の商品は発送されました", "kana"),
        ("您的订单已发货", "han"),
        ("تم شحن طلبك", "arabic"),
        ("สวัสดี", "thai"),
        ("12 + 3", ""),
        ("ok", ""),
    ],
)
def test_languages(text: str, language: str) -> None:
    assert language_of(text, plain(text)) == language


def test_where_two_languages_show_alike_none_is_told() -> None:
    tied = "på med ikke inte lorem ipsum amet sit dolor elit"
    assert language_of(tied, plain(tied)) == "", "Swedish and Danish share their words"


def test_script_is_that_of_most_letters() -> None:
    assert script_of("hello мир привет всем") == "cyrillic"
    assert script_of("") == ""


def value_terms(value: object) -> list[bytes]:
    return [term for term, _ in value_texts(value)]


def test_json_by_shape_and_by_value() -> None:
    value = {"name": "Ada", "items": [{"id": 1, "price": 2.5}], "note": "x" * 80, "ok": True, "no": None}
    other = {"ok": False, "no": None, "note": "y", "items": [{"price": 1, "id": 7}], "name": "Bob"}
    assert set(shape_terms(value)) == set(shape_terms(other))
    assert len(shape_terms(value)) == 6
    assert set(shape_terms(value)) - set(shape_terms(value | {"name": 3})) != set()
    assert len(value_terms(value)) == 2, "a long text is no value, nor is null, nor what stands in a list"
    fields = {term[:5] for term in value_terms(value)}
    assert fields < {term[:5] for term in value_terms(other)}, "the same fields, and a note that is short"
    assert set(value_terms(value)).isdisjoint(value_terms(other))


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        ('{"a": 1}', True),
        ("```json\n[1, 2]\n```", True),
        ('{"a": 1', False),
        ("plain", False),
        ("", False),
        ("[" * 5_000, False),
        ('"a"', False),
    ],
)
def test_json_is_recognised(text: str, is_json: bool) -> None:
    assert (Answer(text).json is not None) is is_json


def test_too_long_a_text_is_not_parsed() -> None:
    answer = Answer(json.dumps(["x"] * 30_000))
    assert answer.json is None
    assert not answer.is_judgeable_json


def test_long_answers_are_cut_to_both_ends() -> None:
    answer = Answer("start " + "x" * 100_000 + " end")
    assert len(answer.text) < 13_000
    assert answer.plain.startswith(b" start")
    assert answer.plain.endswith(b" end ")
    assert answer.length == 100_010
