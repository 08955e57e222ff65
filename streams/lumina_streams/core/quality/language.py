"""The language of a text, as far as it can be told in a microsecond: its script, and by what holds sentences
together where the script is Latin or Cyrillic.
"""

import re

LOOKED_AT = 400  # bytes of the beginning
SCRIPT_CHARS = 150
LEAST_WORDS = 8  # fewer tell no language
LEAST_HITS = 2

_SCRIPTS = (
    ("latin", re.compile("[A-Za-z\u00c0-\u024f]")),
    ("han", re.compile("[\u3400-\u9fff\uf900-\ufaff]")),
    ("kana", re.compile("[\u3040-\u30ff]")),
    ("hangul", re.compile("[\u1100-\u11ff\uac00-\ud7af]")),
    ("cyrillic", re.compile("[\u0400-\u04ff]")),
    ("arabic", re.compile("[\u0600-\u06ff]")),
    ("hebrew", re.compile("[\u0590-\u05ff]")),
    ("devanagari", re.compile("[\u0900-\u097f]")),
    ("bengali", re.compile("[\u0980-\u09ff]")),
    ("tamil", re.compile("[\u0b80-\u0bff]")),
    ("greek", re.compile("[\u0370-\u03ff]")),
    ("thai", re.compile("[\u0e00-\u0e7f]")),
    ("georgian", re.compile("[\u10a0-\u10ff]")),
    ("armenian", re.compile("[\u0530-\u058f]")),
)
_HAS_LETTER = re.compile("[A-Za-z]").search

_WORDS = {
    "en": "the and of to is in that for you with are this your it be was can have not or will on we at by "
    "from as an if has no more than after when there they all but",
    "de": "der die das und ist nicht sie ein eine zu den mit von auf für im dem ich es wird sich auch ihr in "
    "an ihre ihren ihrem wir wurde werden wurden haben hat sind kann oder wenn bei nach aus vom zum zur "
    "unser unsere unserem",
    "fr": "le la les et est des un une dans pour vous que pas sur avec votre ce du au qui nous il sont",
    "es": "el la los las y es de que un una para en con por no su se del al lo como más usted está",
    "pt": "os as é de que um uma para em com por não seu se do da no na você ao são está",
    "it": "il lo la gli le è di che un una per in con non si del della al sono ha come suo questo",
    "nl": "de het een en is van dat voor met op niet je u zijn te in aan uw er om wordt deze kan",
    "sv": "och att det är en ett som för på med inte av du den kan har till om din var vi eller",
    "da": "og at det er en et som for på med ikke af du den kan har til om din var vi eller",
    "pl": "na nie się jest do że to jak po dla od za przez są lub może być ten twoje",
    "tr": "ve bir bu için ile da de ne çok daha olarak olan var değil gibi kadar sonra ama",
    "id": "yang dan di untuk dengan ini dari tidak dalam akan anda pada adalah itu atau ke juga bisa",
    "vi": "của và là có cho được không một các bạn trong với này để những khi từ đã sẽ",
    "ru": "и в не на что это с по для как вы или из к у от до при ваш если можно был",
    "uk": "і в не на що це з по для як ви або із до від при ваш якщо можна був та є",
}
_LANGUAGES = {name: frozenset(word.encode() for word in words.split()) for name, words in _WORDS.items()}
_BY_SCRIPT = {
    "latin": tuple((name, words) for name, words in _LANGUAGES.items() if name not in ("ru", "uk")),
    "cyrillic": (("ru", _LANGUAGES["ru"]), ("uk", _LANGUAGES["uk"])),
}


def script_of(text: str) -> str:
    """The script that most letters of a text are of; empty where there are none."""
    text = text[:SCRIPT_CHARS]
    if text.isascii():
        return "latin" if _HAS_LETTER(text) else ""
    counts = [(len(pattern.findall(text)), name) for name, pattern in _SCRIPTS]
    most, name = max(counts)
    if name == "han" and counts[2][0]:
        return "kana"  # Japanese: Han with kana between
    return name if most else ""


def language_of(text: str, plain: bytes) -> str:
    """`en`, `de`, ... where that shows, else the script, such as `han`; empty where nothing can be said.

    `plain`: the same text as terms are looked for in it.
    """
    script = script_of(text)
    known = _BY_SCRIPT.get(script)
    if known is None:
        return script
    words = plain[:LOOKED_AT].split()
    if len(words) < LEAST_WORDS:
        return ""
    seen = set(words)
    most = second = 0
    found = ""
    for name, frequent in known:
        hits = len(frequent & seen)
        if hits > most:
            most, second, found = hits, most, name
        elif hits > second:
            second = hits
    return found if most >= LEAST_HITS and most > second else ""
