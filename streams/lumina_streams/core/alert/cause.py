"""The best explanation of a deviation: one, the first of these that holds."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from lumina_schemas.alert import Cause, ChangedAttribute, CostPart, SignalKind
from lumina_streams.core.alert.changed import GAIN, NONE, model_switch
from lumina_streams.core.alert.cost_split import fitted, known, unit_price
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.baseline.habit import OTHER, Habit, Usage

GROWTH = 1.2  # tokens must have grown so much
CACHE_LOSS = 0.1  # ... or the cached share of the input fallen so much
CANARY_GAIN = 0.05  # a model on few calls is the cause where it makes most of the change of cost
LEAST_MIX = 0.1  # a new model that makes less of the change is not its cause
MOST = 0.5  # a part that makes so much of the change is its cause
PER_MILLION = 1e6

MONEY: frozenset[SignalKind] = frozenset(("cost_spike", "spend_spike"))


class Rates(NamedTuple):
    """Calls a minute."""

    before: float
    after: float


def find_cause(
    kinds: Collection[SignalKind],
    before: Habit,
    excursion: Excursion,
    changed: Sequence[ChangedAttribute],
    parts: Sequence[CostPart],
    rates: Rates,
) -> Cause | None:
    """The cause of an alert with these signals; None where nothing stands out."""
    after = excursion.seen
    money = bool(MONEY & set(kinds))
    if not money:
        special = None
        if "error_spike" in kinds and "quality_drop" not in kinds:
            special = _error(excursion)
        elif "unpriced" in kinds and len(kinds) == 1:
            special = _unpriced(before, after)
        if special is not None:
            return special
    split: dict[str, float] = {part.what: part.usd_per_h for part in parts} if money else {}
    volume = split.pop("volume", 0.0)
    rise = sum(split.values())
    if "spend_spike" in kinds and "cost_spike" not in kinds and volume > rise:
        return _mark(changed) or _volume(rates)
    if (cause := _model(before, excursion, split, rise)) is not None:
        return cause
    for what in ("prompt_version", "release"):
        if (cause := _switched(changed, what)) is not None:
            return cause
    if money or "latency_spike" in kinds:
        cause = _usage(before.all, after.all, split)
        if cause is not None:
            return cause
    if rise > 0 and split["price"] >= MOST * rise and (cause := _price(before, after)) is not None:
        return cause
    return _mark(changed)


def _model(before: Habit, excursion: Excursion, split: dict[str, float], rise: float) -> Cause | None:
    mix = split["model_mix"] / rise if split and rise > 0 else None
    if mix is not None and mix < LEAST_MIX:
        return None
    gain = CANARY_GAIN if mix is not None and mix >= MOST else GAIN
    found = model_switch(before, excursion, gain)
    return None if found is None else Cause(found.what, found.from_, found.to, found.share)


def _switched(changed: Sequence[ChangedAttribute], what: str) -> Cause | None:
    for entry in changed:
        if entry.what == what:
            return Cause(what, entry.from_, entry.to, entry.share)
    return None


def _mark(changed: Sequence[ChangedAttribute]) -> Cause | None:
    return _switched([entry for entry in changed if entry.what == "mark"][:1], "mark")


def _usage(old: Usage, new: Usage, split: dict[str, float]) -> Cause | None:
    """What is sent and answered: of several changes the one that costs most, else in this order."""
    if not old.counted or not new.counted:
        return None
    grown: list[Cause] = []
    if old.input_tokens and new.input_tokens:
        was, now = old.cached_tokens / old.input_tokens, new.cached_tokens / new.input_tokens
        if was - now >= CACHE_LOSS:
            grown.append(Cause("cache_hits", f"{was:.0%}", f"{now:.0%}", _told(new)))
    lengths = (
        ("input_tokens", old.input_tokens / old.counted, new.input_tokens / new.counted),
        ("output_tokens", old.output_tokens / old.counted, new.output_tokens / new.counted),
    )
    for what, was, now in sorted(lengths, key=lambda entry: -entry[2] / max(entry[1], 1.0)):
        if was >= 1 and now >= GROWTH * was:
            grown.append(Cause(what, f"{was:.0f}", f"{now:.0f}", _told(new)))
    return max(grown, key=lambda cause: split.get(cause.what, 0.0), default=None)


def _told(usage: Usage) -> float:
    """Share of calls that report tokens."""
    return round(usage.counted / usage.calls, 4)


def _price(before: Habit, after: Habit) -> Cause | None:
    shared = [name for name in after.models if known(before.models, name) is not None]
    if not shared:
        return None
    name = max(shared, key=lambda model: (after.models[model].nano_usd, model))
    old, new = before.models[name], after.models[name]
    weights = fitted(old, new)
    was, now = (unit_price(usage, weights) * PER_MILLION for usage in (old, new))
    if not was or now <= was:
        return None
    return Cause("price", f"{was:.3g}", f"{now:.3g}", round(new.calls / after.calls, 4))


def _volume(rates: Rates) -> Cause:
    return Cause("volume", f"{rates.before:.2g}", f"{rates.after:.2g}", 1.0)


def _error(excursion: Excursion) -> Cause | None:
    named = {name: count for name, count in excursion.errors.items() if name != OTHER}
    if not named:
        return None
    to = max(named, key=lambda name: (named[name], name))
    return Cause("error_type", NONE, to, round(named[to] / max(excursion.seen.failed, named[to]), 4))


def _unpriced(before: Habit, after: Habit) -> Cause | None:
    without = {name: usage.calls for name, usage in after.unpriced.items() if name != OTHER}
    if not without:
        return None
    to = max(without, key=lambda name: (without[name], name))
    priced = before.models
    from_ = max(priced, key=lambda name: (priced[name].calls, name), default=OTHER)
    return Cause("unpriced_model", from_ or NONE, to, round(without[to] / after.calls, 4))
