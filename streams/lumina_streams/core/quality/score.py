"""The quality signal: hard signs, structural similarity, and one score from 0 to 1 per answer.

An answer's score is the lowest of what is known about it: a hard sign (refusal, empty, ...) has a fixed
score; similarity S to the series' own references counts as S over the series' usual S, so that an endpoint
that is creative by nature scores 1 for being as creative as ever.
"""

from math import exp, log, nan
from typing import NamedTuple

from msgspec import Struct

from lumina_schemas.score import Tier
from lumina_streams.core.baseline.budget import thresholds
from lumina_streams.core.baseline.sequential import (
    LEAST_CALLS,
    Level,
    Share,
    fit_level,
    fit_share,
)
from lumina_streams.core.baseline.windows import Baselines, Measure
from lumina_streams.core.quality.answer import Answer, answer_text, is_json
from lumina_streams.core.quality.prompt import PromptKey, prompt_key
from lumina_streams.core.quality.references import Likeness, References
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

SIGN_SCORES = {
    "empty": 0.0,
    "refusal": 0.1,
    "content_filter": 0.1,
    "invalid_json": 0.2,
    "loop": 0.3,
    "length": 0.4,
}
"""Hard sign -> score of an answer that shows it. All below any sensible `quality_min`."""

UNLIKE = "unlike"  # sign of a low similarity

REFUSAL_CHARS = 200  # a refusal says so at once
_REFUSALS = (
    *("i can't help with", "i cannot help with", "i can't assist", "i cannot assist", "i can't provide"),
    *("i cannot provide", "i'm sorry, but i can", "i am sorry, but i can", "i'm sorry, i can't"),
    *("i'm unable to", "i am unable to", "i'm not able to", "i can't comply", "i cannot comply"),
    *(
        "i must decline",
        "i won't be able to",
        "as an ai language model",
        "i can't fulfill",
        "i cannot fulfill",
    ),
    *("dabei kann ich nicht helfen", "dabei kann ich leider nicht", "ich kann ihnen dabei nicht"),
    *("ich kann dir dabei nicht", "tut mir leid, aber ich kann", "es tut mir leid, ich kann"),
    *("je ne peux pas vous aider", "je ne peux pas répondre", "je suis désolé, mais je ne peux"),
    *("je ne suis pas en mesure", "je regrette, mais je ne peux"),
    *("no puedo ayudar", "lo siento, pero no puedo", "lo siento, no puedo", "no me es posible"),
    *("não posso ajudar", "desculpe, mas não posso", "sinto muito, mas não posso"),
    *("non posso aiutar", "mi dispiace, ma non posso"),
    *(
        "抱歉，我无法",
        "很抱歉，我不能",
        "对不起，我不能",
        "对不起，我无法",
        "我无法提供",
        "我不能提供",
        "抱歉，我不能",
    ),
    *("申し訳ありませんが、", "お手伝いできません", "お答えできません", "죄송하지만", "도와드릴 수 없습니다"),
    *("извините, но я не могу", "я не могу помочь"),
)
_ASCII_REFUSALS = tuple(marker for marker in _REFUSALS if marker.isascii())

_LENGTH = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_FILTERED = frozenset({"content_filter", "safety", "refusal", "guardrail_intervened", "recitation"})

LOOP_WORDS = 60  # shorter answers are not searched for loops
LOOP_SHARE = 0.2  # different words among all: below, the answer repeats itself

JSON_CALLS = 20
JSON_SHARE = 0.9
LEAST_SCALE = 0.25  # spread of logit S below which differences are no news
LEAST_FALL = 0.7  # of logit S: half the odds
EDGE = 0.02  # S is kept this far from 0 and 1 before its odds are taken


class Tally(Struct, array_like=True):
    """What a series' answers were, with slow forgetting: halved when it reaches 4,000 calls."""

    scored: int = 0
    hard: int = 0  # with a hard sign
    compared: int = 0  # judged by their similarity
    unlike: int = 0
    json: int = 0

    def add(self, other: "Tally") -> None:
        """Add counts."""
        self.scored += other.scored
        self.hard += other.hard
        self.compared += other.compared
        self.unlike += other.unlike
        self.json += other.json
        if self.scored >= 4000:
            self.scored //= 2
            self.hard //= 2
            self.compared //= 2
            self.unlike //= 2
            self.json //= 2


class QualityTest(Struct, frozen=True, array_like=True):
    """What decides about quality until the next fold."""

    n: int = 0
    hard: Share = Share()
    unlike: Share = Share()
    exact: Level = Level()  # of -logit S
    template: Level = Level()
    answers_json: bool = False
    bad_share: float = 0.0
    p50: float = 1.0
    p95: float = 1.0
    window: str = ""
    alone_h: float = 0.0
    joint_h: float = 0.0
    ready: bool = False

    @property
    def in_force(self) -> bool:
        """Whether there are enough answers to judge at all."""
        return self.n >= LEAST_CALLS

    def level(self, likeness: Likeness) -> Level:
        """The history that a similarity is judged against."""
        return self.exact if likeness.nearness == "exact" else self.template


def fit_quality(baselines: Baselines, tally: Tally, rules: Rules, now_ms: int) -> QualityTest:
    """Learn what decides about quality from the baseline."""
    ready = tally.scored >= rules.min_samples
    window, scores = baselines.reference("quality")
    alone_h, joint_h = thresholds(ready, baselines.rate_per_min(now_ms), rules)
    hard = fit_share(tally.hard, tally.scored, ready)
    unlike = fit_share(tally.unlike, tally.compared, tally.compared >= rules.min_samples)
    return QualityTest(
        n=tally.scored,
        hard=hard,
        unlike=unlike,
        exact=_fit_odds(baselines, rules, "odds_exact"),
        template=_fit_odds(baselines, rules, "odds_template"),
        answers_json=tally.scored >= JSON_CALLS and tally.json >= JSON_SHARE * tally.scored,
        bad_share=1 - (1 - hard.base) * (1 - unlike.base),
        p50=min(scores.quantile(0.5), 1.0),
        p95=min(scores.quantile(0.95), 1.0),
        window=window,
        alone_h=alone_h,
        joint_h=joint_h,
        ready=ready,
    )


def _fit_odds(baselines: Baselines, rules: Rules, measure: Measure) -> Level:
    _, sketch = baselines.reference(measure)
    return fit_level(sketch, LEAST_FALL, LEAST_SCALE, sign=-1)


class Verdict(NamedTuple):
    """What one answer is worth."""

    score: float
    sign: str  # hard sign, `unlike`, or empty
    hard: bool
    text: str
    key: PromptKey | None
    likeness: Likeness | None
    compared: bool  # its similarity was judged
    json: bool

    @property
    def tier(self) -> Tier:
        """What decided about it."""
        return "similarity" if self.compared and not self.hard else "signs"

    @property
    def logit(self) -> float:
        """Logit of S; nan where there was nothing to compare with."""
        return nan if self.likeness is None else logit(self.likeness.score)


def logit(similarity: float) -> float:
    """Log odds of a similarity."""
    inside = min(max(similarity, EDGE), 1 - EDGE)
    return log(inside / (1 - inside))


def judge(call: Call, references: References, test: QualityTest, rules: Rules) -> Verdict | None:
    """Score an answer; None where there is nothing to judge: no content, or an error."""
    if call.kind != "llm" or call.status == "error":
        return None
    text = answer_text(call)
    if text is None:
        return None
    key = prompt_key(call)
    answer = Answer(text)
    likeness = None if key is None else references.compare(key, answer)
    whole = "output_messages" not in call.truncated
    json = is_json(text) if whole else None
    sign = hard_sign(answer, call, test.answers_json and json is False)
    score = SIGN_SCORES.get(sign, 1.0)
    compared = False
    if likeness is not None:
        level = test.level(likeness)
        if level.n >= LEAST_CALLS:
            compared = True
            usual = 1 / (1 + exp(level.median))
            relative = min(1.0, likeness.score / usual)
            if relative < score:
                score = relative
                if not sign and relative < rules.quality_min:
                    sign = UNLIKE
    hard = sign in SIGN_SCORES
    return Verdict(score, sign, hard, answer.text, key, likeness, compared, bool(json))


def hard_sign(answer: Answer, call: Call, broken_json: bool) -> str:
    """Hard sign of an answer, or an empty string."""
    text = answer.text
    finish = {reason.lower() for reason in call.finish_reasons}
    if not finish.isdisjoint(_FILTERED):
        return "content_filter"
    if not text or text.isspace():
        return "empty"
    if is_refusal(text):
        return "refusal"
    if broken_json and not call.tool_calls:
        return "invalid_json"
    if len(answer.words) >= LOOP_WORDS and len(set(answer.words)) < LOOP_SHARE * len(answer.words):
        return "loop"
    return "" if finish.isdisjoint(_LENGTH) else "length"


def is_refusal(text: str) -> bool:
    """Whether a text begins by declining, in one of a dozen languages."""
    head = text[:REFUSAL_CHARS].lower()
    if not head.isascii():
        return any(marker in head.replace("’", "'") for marker in _REFUSALS)
    for marker in _ASCII_REFUSALS:  # noqa: SIM110 - runs for every answer; any() is twice as slow
        if marker in head:
            return True
    return False
