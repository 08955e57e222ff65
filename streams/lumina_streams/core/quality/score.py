"""One score from 0 to 1 for each answer, and the signs that it shows.

The score is the lowest of what is known: a sign has a fixed score; likeness to earlier answers counts against
the series' own history of likeness, so that .7 is what 2 % of its answers are below whatever the measure, and
an endpoint that is creative by nature scores 1 for being as creative as ever.
"""

from collections.abc import Container
from typing import NamedTuple
from zlib import crc32

from lumina_schemas.score import QualityReason, Tier
from lumina_streams.core.quality.answer import Answer, answer_text
from lumina_streams.core.quality.consensus import ECHO, Compared, compare
from lumina_streams.core.quality.fit import QualityTest
from lumina_streams.core.quality.history import PLACES, Reading, bin_of, length_bin, ratio_bin
from lumina_streams.core.quality.language import language_of
from lumina_streams.core.quality.prompt import Prompt, prompt_of
from lumina_streams.core.quality.references import NEARNESSES, Place, References
from lumina_streams.core.quality.refusal import is_refusal
from lumina_streams.core.quality.terms import (
    digits,
    is_caseless,
    is_number,
    names,
    numbers,
    plain,
    terms,
    weight,
)
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

SIGN_SCORES: dict[str, float] = {
    "empty": 0.0,
    "refusal": 0.1,
    "content_filter": 0.1,
    "language": 0.2,
    "invalid_json": 0.2,
    "contradiction": 0.2,
    "unfounded": 0.3,
    "shape": 0.3,
    "tool_error": 0.3,
    "no_documents": 0.3,
    "loop": 0.3,
    "length": 0.4,
    "short": 0.4,
}
"""Score of an answer that shows a sign. All below any sensible `quality_min`."""

SIMILARITY_SIGNS = frozenset({"shape", "contradiction", "unfounded", "short", "unlike"})
"""Those that rest on earlier answers."""

LEARNABLE = sum(1 << PLACES[sign] for sign in SIMILARITY_SIGNS)
"""Bits of signs that an answer may show and teach: a wrong belief of what answers agree on mends itself."""

UNKNOWN = 255

_LENGTH = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "safety", "refusal", "guardrail_intervened", "recitation"})

LOOP_CHARS = 200  # shorter answers are not searched for loops
LOOP_CHARS_SEEN = 3000  # of the end
LOOP_TAIL = 24  # characters of the end that come ...
LOOP_TIMES = 4  # ... so often, where ...
LOOP_PIECE = 8  # ... of all pieces of so many characters ...
LOOP_SHARE = 0.3  # ... so few are different: stuck, in any script

_ALWAYS = sum(1 << PLACES[sign] for sign in ("empty", "refusal", "content_filter", "loop", "length"))
LEAST_ABOUT = 3  # terms of a prompt
COPY = 0.95  # share of all but the missing facts that an answer holds which is a copy but for them
ALIKE = 0.4  # ... from which a name that is missing has been replaced by whatever is new
SELDOM = 0.1  # share of answers with new values up to which one is strange
COPY_ANSWERS = 12  # that must be known
REPLACED = 3  # new terms of a copy, at the most


class Verdict(NamedTuple):
    """What one answer is worth."""

    score: float
    sign: QualityReason  # the gravest; empty where nothing is wrong
    signs: int  # bits of all, by place in SIGNS
    judged: int  # bits of those that could have shown
    likeness: float | None  # score by likeness; None where there was nothing to compare with
    semantic: bool  # n-grams were asked too
    answer: Answer
    prompt: Prompt | None
    place: Place | None
    reading: Reading

    @property
    def tier(self) -> Tier:
        """What decided about it."""
        if self.semantic and self.sign in ("", "unlike"):
            return "semantics"
        if self.sign in SIMILARITY_SIGNS or (not self.sign and self.likeness is not None):
            return "similarity"
        return "signs"

    @property
    def before(self) -> str:
        """An earlier answer to the same question; empty where none is known."""
        if self.place is None or self.place.nearness == "near" or not self.place.entry.texts:
            return ""
        return self.place.entry.texts[0]


def judge(call: Call, references: References, test: QualityTest, rules: Rules) -> Verdict | None:
    """Score an answer; None where there is nothing to judge: no content, or an error."""
    if call.kind != "llm" or call.status == "error":
        return None
    text = answer_text(call)
    if text is None:
        return None
    answer = Answer(text, whole="output_messages" not in call.truncated)
    found = _Found()
    is_text = bool(text) and not text.isspace()
    _finish(call, text, is_text, found)
    is_json = False
    if is_text and not call.tool_calls:
        is_json = answer.json is not None
        if test.answers_json and answer.is_judgeable_json:
            found.judge("invalid_json", not is_json)
    prompt = prompt_of(call)
    version = crc32(call.prompt_version.encode("utf-8", "surrogatepass"))
    place: Place | None = None
    recall = echo = ratio = likeness = UNKNOWN
    score: float | None = None
    semantic = False
    if prompt is not None:
        place = references.find(prompt)
    if is_text and not found.signs and prompt is not None and not call.tool_calls:
        _language(answer, prompt, test, found)
        values = answer.shape + [term for term, _ in answer.values] if is_json else None
        if values is not None:
            _shape(call, values, references, found)
        echoed = _echo(answer, prompt)
        if echoed is not None:
            echo = bin_of(echoed)
        if place is not None:
            recalled, ratio = _compare(answer, prompt, values, place, test, found)
            recall = bin_of(recalled)
            score = _likeness(recalled, echoed, place, test)
            if score is not None and score < rules.quality_min:
                semantic = True
                if references.is_covered(place, answer.text):
                    score = rules.quality_min
        else:
            if test.grounded and test.ready and echoed is not None and test.echo.low > 0.0:
                score = test.echo.score(echoed)
            least = test.lengths.get(version)
            if least is not None and not is_json:
                found.judge("short", answer.length < least)
        _unfounded(answer, prompt, values, place, test, found)
        if score is not None:
            likeness = bin_of(score)
            found.judge("unlike", score < rules.quality_min)
    lowest, sign = (1.0 if score is None else score), found.sign
    if sign and sign != "unlike":
        lowest = min(lowest, SIGN_SCORES[sign])
    return Verdict(
        lowest,
        sign,
        found.signs,
        found.judged,
        score,
        semantic,
        answer,
        prompt,
        place,
        Reading(
            int(lowest * 200),
            found.signs | found.seen,
            found.judged,
            recall,
            0 if place is None else NEARNESSES.index(place.nearness),
            echo,
            ratio,
            likeness,
            is_json,
            answer.language if is_text else "",
            length_bin(answer.length) if is_text else UNKNOWN,
            version,
        ),
    )


class _Found:
    """Signs as they are found."""

    __slots__ = ("judged", "seen", "sign", "signs")

    def __init__(self) -> None:
        self.signs = 0
        self.seen = 0  # what shows, and is too usual here, or too new, to be held against an answer
        self.judged = _ALWAYS
        self.sign: QualityReason = ""

    def show(self, sign: QualityReason) -> None:
        self.signs |= 1 << PLACES[sign]
        if not self.sign or SIGN_SCORES.get(sign, 0.5) < SIGN_SCORES.get(self.sign, 0.5):
            self.sign = sign

    def note(self, sign: QualityReason, shown: bool, test: QualityTest) -> None:
        """As `judge`, where the series is known to show it seldom; else it is counted only."""
        if test.bases and 0.0 < test.bases[PLACES[sign]] <= SELDOM:
            self.judge(sign, shown)
        else:
            self.judged |= 1 << PLACES[sign]
            self.seen |= shown << PLACES[sign]

    def judge(self, sign: QualityReason, shown: bool) -> None:
        self.judged |= 1 << PLACES[sign]
        if shown:
            self.show(sign)


def _finish(call: Call, text: str, is_text: bool, found: _Found) -> None:
    """Signs of any answer, whatever came before."""
    if call.finish_reasons:
        reasons = {reason.lower() for reason in call.finish_reasons}
        if not reasons.isdisjoint(_FILTERED):
            found.show("content_filter")
        if not reasons.isdisjoint(_LENGTH):
            found.show("length")
    if not is_text:
        if not found.signs:
            found.show("empty")
        return
    if is_refusal(text):
        found.show("refusal")
    if len(text) >= LOOP_CHARS:
        end = text[-LOOP_CHARS_SEEN:]
        if end.count(end[-LOOP_TAIL:]) >= LOOP_TIMES and _pieces(end) < LOOP_SHARE:
            found.show("loop")


def _pieces(text: str) -> float:
    """Share of different pieces among all of `LOOP_PIECE` characters."""
    count = len(text) - LOOP_PIECE + 1
    return len({text[start : start + LOOP_PIECE] for start in range(count)}) / count


def _language(answer: Answer, prompt: Prompt, test: QualityTest, found: _Found) -> None:
    language = answer.language
    if not test.languages or not language:
        return
    strange = language not in test.languages
    if strange:
        # Who asks in another language is answered in it.
        strange = language != language_of(prompt.last, plain(prompt.last[:1000]))
    found.judge("language", strange)


def _shape(call: Call, values: list[bytes], references: References, found: _Found) -> None:
    expected = references.shape(shape_key(call))
    if expected:
        found.judge("shape", not expected <= frozenset(values))


def shape_key(call: Call) -> bytes:
    """Where the shape of a series' JSON answers is kept: by prompt version."""
    return b"json:" + call.prompt_version.encode("utf-8", "surrogatepass")[:40]


def _echo(answer: Answer, prompt: Prompt) -> float | None:
    """Share of what the prompt is about that the answer takes up; None for a prompt that says too little."""
    about, text = prompt.about, answer.plain
    if len(about) < LEAST_ABOUT:
        return None
    return sum([term in text for term in about]) / len(about)


def _compare(
    answer: Answer,
    prompt: Prompt,
    values: list[bytes] | None,
    place: Place,
    test: QualityTest,
    found: _Found,
) -> tuple[float, int]:
    """Hold the answer against what is expected: (recall, bin of its length)."""
    expected = place.expectation
    text = answer.plain
    echoes = any(number in text for number in prompt.numbers())
    compared = compare(expected, text if values is None else frozenset(values), echoes)
    length = answer.length / max(expected.length, 1)
    is_asked = place.nearness == "exact" or (place.nearness == "template" and expected.various)
    if is_asked and not answer.is_cut:
        contradicts = bool(compared.missing) and _contradicts(answer, prompt, values, place, compared)
        found.judge("contradiction", contradicts)
    if place.nearness != "near" and test.short:
        usual = test.usual(place.nearness)
        lost = usual is None or compared.recall < usual.median
        found.judge("short", length < test.short and lost)
    return compared.recall, ratio_bin(length)


def _likeness(recalled: float, echoed: float | None, place: Place, test: QualityTest) -> float | None:
    """Score by likeness: of what earlier answers agree on, and of what the prompt is about, the better."""
    usual = test.usual(place.nearness)
    if usual is None or usual.low <= 0.0:
        return None
    score = usual.score(recalled)
    if echoed is not None and test.echo.low > 0.0:
        return max(score, test.echo.score(echoed))
    # A neighbour asks something else: alone it proves nothing.
    return None if place.nearness == "near" else score


def _contradicts(
    answer: Answer, prompt: Prompt, values: list[bytes] | None, place: Place, compared: Compared
) -> bool:
    """Whether something else stands where earlier answers agree on a fact."""
    consensus = place.entry.consensus
    counts, asked, missing = consensus.counts, prompt.plain, compared.missing
    if values is not None:
        facts = missing if place.nearness == "exact" else set(missing) & consensus.always()
        return any(_is_replaced(term, values) for term in facts if term[:1] == b"=")
    lost = [term for term in missing if term != ECHO and term not in asked]
    if (ECHO in missing or any(map(is_number, lost))) and any(
        term not in counts and term not in asked for term in numbers(answer.plain)
    ):
        return True
    named = any(term in consensus.named for term in lost)
    if named and any(term not in counts and term not in asked for term in names(answer.text)):
        return True
    alike = ALIKE if named and place.nearness != "exact" else 0.0 if named else COPY
    if not lost or compared.rest < alike:
        return False
    fresh = (
        term
        for term in terms(answer.plain)
        if term not in counts and weight(term) >= 2.0 and term not in asked
    )
    if named:
        return next(fresh, None) is not None
    # Scripts without capitals show no names: only a copy with something else in one place tells.
    plain_copy = place.nearness == "exact" and len(missing) <= REPLACED and all(map(is_caseless, lost))
    return plain_copy and consensus.n >= COPY_ANSWERS and 0 < sum(1 for _ in fresh) <= REPLACED


def _unfounded(
    answer: Answer,
    prompt: Prompt,
    values: list[bytes] | None,
    place: Place | None,
    test: QualityTest,
    found: _Found,
) -> None:
    """Does an answer state a number (of JSON: a value) that nobody knows?

    Known are those of the prompt, and of earlier answers to it; of the prompt alone where prompts never come
    again.
    """
    known: Container[int] = ()
    if place is not None and place.nearness != "near":
        if not place.entry.consensus.is_closed:
            return
        known = place.entry.consensus.values
    elif not test.grounded:
        return
    found.note("unfounded", any(value not in known for value in values_of(answer, prompt, values)), test)


def values_of(answer: Answer, prompt: Prompt, values: list[bytes] | None) -> list[int]:
    """Hashes of the numbers of an answer that its prompt does not hold; of JSON, of its values."""
    if values is None:
        given = prompt.digits
        return [crc32(group) for group in digits(answer.plain) if group not in given]
    asked = prompt.plain
    return [crc32(term) for term, text in answer.values if len(text) < 2 or plain(text) not in asked]


def _is_replaced(term: bytes, values: list[bytes]) -> bool:
    return any(value.startswith(term[:5]) for value in values)
