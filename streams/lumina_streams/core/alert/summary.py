"""One plain sentence that a person awake for a minute understands."""

from lumina_schemas.alert import Cause, Signal
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.baseline.moment import clock
from lumina_streams.core.quality.score import UNLIKE

SIGN_WORDS = {
    "empty": "are empty",
    "refusal": "refuse",
    "content_filter": "are blocked by a content filter",
    "invalid_json": "are no valid JSON",
    "loop": "repeat themselves",
    "length": "are cut off",
    UNLIKE: "are unlike earlier answers to the same prompt",
}

CAUSE_WORDS = {
    "request_model": "model",
    "prompt_version": "prompt version",
    "input_tokens": "input tokens",
    "output_tokens": "output tokens",
}


def usd(amount: float) -> str:
    """An amount with two to three significant digits, never in powers of ten."""
    if amount >= 100:
        return f"{amount:.0f}"
    if amount >= 1:
        return f"{amount:.2f}"
    digits = 4
    while digits < 10 and 0 < amount < 10.0 ** -(digits - 2):
        digits += 1
    return f"{amount:.{digits}f}"


def percent(share: float) -> str:
    """A share as whole percent."""
    return f"{share * 100:.0f}%"


def quality_detail(excursion: Excursion) -> str:
    """What most of the bad answers do, such as `85% of answers refuse`."""
    if not excursion.signs:
        return "answers drift from earlier answers to the same prompt"
    sign = max(excursion.signs, key=lambda name: excursion.signs[name])
    return f"{percent(excursion.signs[sign] / excursion.n)} of answers {SIGN_WORDS.get(sign, 'are bad')}"


def place_of(service: str, endpoint: str) -> str:
    """Service and endpoint as one name; a route such as `/chat` brings its slash along."""
    return f"{service}/{endpoint.removeprefix('/')}"


def summarise(
    place: str,
    signals: tuple[Signal, ...],
    since_ms: int,
    cause: Cause | None,
    impact_usd_per_h: float | None,
) -> str:
    """The alert in a sentence; `place` names service and endpoint (`place_of`)."""
    claims = [_claim(signal) for signal in signals]
    text = f"{place} {' and '.join(claims)} since {clock(since_ms)}"
    for signal in signals:
        if signal.kind == "quality_drop" and signal.detail:
            text += f": {signal.detail}"
    text += "."
    if cause is not None:
        where = "on all new calls" if cause.share >= 0.95 else f"on {percent(cause.share)} of new calls"
        text += f" Cause: {CAUSE_WORDS[cause.what]} {cause.from_} -> {cause.to} {where}."
    if impact_usd_per_h is not None and impact_usd_per_h > 0:
        text += f" +{usd(impact_usd_per_h)} USD/h."
    return text


def _claim(signal: Signal) -> str:
    if signal.kind == "cost_spike":
        return (
            f"costs {signal.ratio:.3g}x "
            f"({usd(signal.baseline.p50)} -> {usd(signal.value)} USD a call, n={signal.n})"
        )
    return f"has quality {signal.value:.2f} (was {signal.baseline.p50:.2f}, n={signal.n})"
