"""One plain sentence that a person awake for a minute understands.

Names come from outside: whatever they hold, the sentence is one line of `SUMMARY_CHARS` at most.
"""

import re
from collections.abc import Sequence
from math import floor, log10

from lumina_schemas.alert import AlertKind, Cause, Signal
from lumina_streams.core.alert.plain import plain
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.baseline.moment import rfc3339

SUMMARY_CHARS = 700
PLACE_CHARS = 100
NAME_CHARS = 60
DETAIL_CHARS = 120
CLAIMS = 3  # signals that the sentence names

SIGN_WORDS = {
    "empty": "are empty",
    "refusal": "refuse",
    "content_filter": "are blocked by a content filter",
    "invalid_json": "are no valid JSON",
    "shape": "are JSON of another shape",
    "loop": "repeat themselves",
    "length": "are cut off",
    "language": "are in another language",
    "tool_error": "come with a tool that failed",
    "no_documents": "come with a retrieval that found nothing",
    "contradiction": "contradict what earlier answers agree on",
    "unfounded": "state numbers that neither their prompt nor earlier answers hold",
    "short": "are far shorter, and lack what earlier ones say",
    "unlike": "are unlike earlier answers to the same prompt",
}

SWITCH_WORDS = {
    "request_model": "model",
    "unpriced_model": "model",
    "prompt_version": "prompt version",
    "release": "release",
}
AMOUNT_WORDS = {
    "input_tokens": "input tokens a call",
    "output_tokens": "output tokens a call",
    "cache_hits": "cached share of the input",
    "price": "USD per million input tokens",
    "volume": "calls a minute",
}

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}", re.ASCII)
_NO_ID = re.compile(r"[^A-Za-z0-9._-]", re.ASCII)


def figure(amount: float) -> str:
    """A number with two significant digits, never in powers of ten; whole from 10 on."""
    size = abs(amount)
    if size >= 9.95:
        return f"{amount:,.0f}"
    if size < 1e-12:
        return "0"
    digits = 1 - floor(log10(size))
    if round(size, digits) >= 10.0 ** (2 - digits):  # 0.0996 rounds up to 0.10
        digits -= 1
    return f"{amount:.{digits}f}"


def times(ratio: float) -> str:
    """A ratio as `2.1x`."""
    return f"{ratio:,.0f}x" if ratio >= 9.95 else f"{ratio:.1f}x"


def percent(share: float) -> str:
    """A share as percent; below 10 % with one digit after the point, unless that is 0."""
    shown = f"{share * 100:.1f}" if share < 0.0995 else f"{share * 100:.0f}"
    return f"{shown.removesuffix('.0')}%"


def length(seconds: float) -> str:
    """A length of time as people say it: `800 ms`, `2.5 s`, `12 min`, `3.0 h`."""
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= size:
            return f"{figure(seconds / size).removesuffix('.0')} {unit}"
    return f"{seconds * 1000:.0f} ms"


def quality_detail(excursion: Excursion) -> str:
    """What most of the bad answers do, such as `85% of answers refuse`."""
    if not excursion.signs:
        return ""
    sign = max(excursion.signs, key=lambda name: excursion.signs[name])
    return f"{percent(excursion.signs[sign] / excursion.n)} of answers {SIGN_WORDS.get(sign, 'are bad')}"


def place_of(service: str, endpoint: str) -> str:
    """Service and endpoint as one name; a route such as `/chat` brings its slash along."""
    return plain(f"{service}/{endpoint.removeprefix('/')}", PLACE_CHARS)


def price_command(model: str, settings_topic: str = "lumina.settings") -> str:
    """The command that sets a model's price; see docs/prices.md.

    Somebody will paste it: a model whose name is more than plain letters, digits and . _ : / @ + - does not
    get into it.
    """
    name = model if _SAFE.fullmatch(model) else "MODEL"
    price = f'{{"model":"{name}","input":USD_PER_MILLION,"output":USD_PER_MILLION}}'
    broker = "${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092}"
    return (
        f"echo 'prices/{_NO_ID.sub('-', name)}:{price}' | "
        f"kcat -P -b {broker} -t {settings_topic} -K: -X topic.partitioner=murmur2"
    )


def summarise(
    service: str,
    endpoint: str,
    kind: AlertKind,
    signals: Sequence[Signal],
    since_ms: int,
    now_ms: int,
    cause: Cause | None,
    impact_usd_per_h: float | None,
    adopted: bool = False,
    settings_topic: str = "lumina.settings",
) -> str:
    """The alert in a sentence. `signals`: the leading one first; `adopted`: its level is the baseline now."""
    text = ""
    if kind == "series_limit":
        text = _limit(service, signals[0])
    elif kind == "no_data":
        text = _silence(place_of(service, endpoint), signals[0], moment(since_ms, now_ms))
    else:
        told = [signal for signal in signals if signal.kind in _CLAIMS]
        claims = [_CLAIMS[signal.kind](signal) for signal in told[:CLAIMS]]
        if len(told) > CLAIMS:
            more = len(told) - CLAIMS
            claims.append(f"{more} more signal{'s' if more > 1 else ''}")
        text = f"{place_of(service, endpoint)} {_listed(claims)} since {moment(since_ms, now_ms)}"
        for signal in told:
            if signal.kind == "quality_drop" and signal.detail:
                text += f": {plain(signal.detail, DETAIL_CHARS)}"
        text += "."
    if adopted:
        text += f" {_adopted(signals[0], impact_usd_per_h)}"
    if cause is not None:
        text += f" {_because(cause)}"
    if not adopted and impact_usd_per_h is not None and impact_usd_per_h > 0:
        text += f" +{figure(impact_usd_per_h)} USD/h."
    order = ""
    if any(signal.kind == "unpriced" for signal in signals):
        model = cause.to if cause is not None and cause.what == "unpriced_model" else ""
        order = f" Set one: `{price_command(model, settings_topic)}`"
    room = SUMMARY_CHARS - len(order)  # half a command is worse than none
    return (text if len(text) <= room else text[: room - 1] + "\u2026") + order


def moment(at_ms: int, now_ms: int) -> str:
    """Hour and minute, UTC; with the day where that is not today's."""
    at, now = rfc3339(at_ms), rfc3339(now_ms)
    return at[11:16] if at[:10] == now[:10] else f"{at[:10]} {at[11:16]}"


def _cost(signal: Signal) -> str:
    was, now = figure(signal.baseline.p50), figure(signal.value)
    if signal.unit == "tokens_per_call":
        return f"uses {times(signal.ratio)} the tokens ({was} -> {now} a call, n={signal.n})"
    return f"costs {times(signal.ratio)} ({was} -> {now} USD a call, n={signal.n})"


def _quality(signal: Signal) -> str:
    return f"has quality {signal.value:.2f} (was {signal.baseline.p50:.2f}, n={signal.n})"


def _spend(signal: Signal) -> str:
    was, now = figure(signal.baseline.p50), figure(signal.value)
    return f"spends {times(signal.ratio)} ({was} -> {now} USD/min, n={signal.n})"


def _errors(signal: Signal) -> str:
    return f"fails on {percent(signal.value)} of calls (was {percent(signal.baseline.p50)}, n={signal.n})"


def _latency(signal: Signal) -> str:
    was, now = length(signal.baseline.p50 / 1000), length(signal.value / 1000)
    return f"takes {times(signal.ratio)} as long ({was} -> {now}, n={signal.n})"


def _unpriced(signal: Signal) -> str:
    return f"has no price for {percent(signal.value)} of its calls (n={signal.n})"


_CLAIMS = {
    "cost_spike": _cost,
    "quality_drop": _quality,
    "spend_spike": _spend,
    "error_spike": _errors,
    "latency_spike": _latency,
    "unpriced": _unpriced,
}


def _silence(place: str, signal: Signal, since: str) -> str:
    return f"{place} is silent since {since}; it used to be called every {length(signal.baseline.p50)}."


def _limit(service: str, signal: Signal) -> str:
    attribute = f"attribute {plain(signal.detail, NAME_CHARS)} has" if signal.detail else "their names have"
    return (
        f"{plain(service, PLACE_CHARS)} has more than {signal.baseline.p50:,.0f} endpoints: {attribute} too "
        "many values; further ones are joined as other. Send a template such as /users/{id}, or raise "
        "LUMINA_MAX_SERIES."
    )


def _adopted(signal: Signal, impact_usd_per_h: float | None) -> str:
    still = f"x{times(signal.ratio)[:-1]}" if signal.unit not in ("share", "score") else "so"
    text = f"Still {still}, now the baseline"
    if impact_usd_per_h is not None and impact_usd_per_h > 0:
        text += f", {figure(impact_usd_per_h)} USD/h more than before"
    return f"{text}."


def _because(cause: Cause) -> str:
    to = plain(cause.to, NAME_CHARS)
    share = "all" if cause.share >= 0.95 else percent(cause.share)
    where = "on all new calls" if cause.share >= 0.95 else f"on {share} of new calls"
    if cause.what in SWITCH_WORDS:
        return f"Cause: {SWITCH_WORDS[cause.what]} {plain(cause.from_, NAME_CHARS)} -> {to} {where}."
    if cause.what in AMOUNT_WORDS:
        return f"Cause: {AMOUNT_WORDS[cause.what]} {plain(cause.from_, NAME_CHARS)} -> {to}."
    if cause.what == "error_type":
        return f"Cause: {to} on {'all' if share == 'all' else f'{share} of'} failed calls."
    return f'Perhaps: "{to}", marked near its beginning.'


def _listed(claims: Sequence[str]) -> str:
    return f"{', '.join(claims[:-1])} and {claims[-1]}" if len(claims) > 1 else "".join(claims)
