"""The parts of a change of spend: they add up, and each pure change lands in its own part."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.alert.cost_split import split
from lumina_streams.core.baseline.habit import Usage

PARTS = ("price", "model_mix", "input_tokens", "output_tokens", "cache_hits", "volume")


def usage(
    calls: int = 100,
    price: float = 2.5e-6,
    sent: float = 1000,
    cached: float = 0.5,
    answered: float = 200,
    output_weight: float = 4,
    cached_weight: float = 0.1,
) -> Usage:
    """Calls of one model; `price` is USD per uncached input token."""
    weighted = sent * (1 - cached) + cached_weight * sent * cached + output_weight * answered
    return Usage(
        calls,
        round(calls * price * weighted * 1e9),
        calls,
        round(calls * sent),
        round(calls * sent * cached),
        round(calls * answered),
    )


def parts_of(before: Any, after: Any, rate_before: float = 600, rate_after: float = 600) -> dict[str, float]:
    before = {"m": before} if isinstance(before, Usage) else before
    after = {"m": after} if isinstance(after, Usage) else after
    return {part.what: part.usd_per_h for part in split(before, after, rate_before, rate_after)}


def per_hour(usages: Any, rate: float) -> float:
    total = sum(entry.cost for entry in usages.values())
    return float(rate * total / sum(entry.calls for entry in usages.values()))


some_usage = st.builds(
    Usage,
    calls=st.integers(1, 5000),
    nano_usd=st.integers(0, 10**12),
    counted=st.just(1),
    input_tokens=st.integers(0, 10**7),
    cached_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**7),
).map(
    lambda made: Usage(
        made.calls,
        made.nano_usd,
        made.counted,
        made.input_tokens,
        min(made.cached_tokens, made.input_tokens),
        made.output_tokens,
    )
)
some_models = st.dictionaries(st.sampled_from(["a", "b", "c", ""]), some_usage, min_size=1)
some_rate = st.floats(0.01, 1e5)


@given(some_models, some_models, some_rate, some_rate)
def test_the_parts_add_up_to_the_whole_change(
    before: dict[str, Usage], after: dict[str, Usage], rate_before: float, rate_after: float
) -> None:
    parts = parts_of(before, after, rate_before, rate_after)
    assert tuple(parts) == PARTS
    old, new = per_hour(before, rate_before), per_hour(after, rate_after)
    size = max(old, new, *(abs(value) for value in parts.values()))
    assert sum(parts.values()) == pytest.approx(new - old, abs=1e-9 * size + 1e-12)


amounts = {
    "price": st.floats(1e-8, 1e-4),
    "sent": st.floats(100, 50_000),
    "cached": st.floats(0, 0.9),
    "answered": st.floats(20, 5000),
    "output_weight": st.floats(1.5, 9),
    "cached_weight": st.sampled_from([0.1, 0.25, 0.5]),
}
factors = st.floats(1.5, 8)


def only(parts: dict[str, float], what: str) -> bool:
    """Whether the part makes all of the change, but for the rounding of tokens and nano-USD."""
    rest = sum(abs(value) for name, value in parts.items() if name != what)
    return abs(parts[what]) > 0 and rest <= 0.01 * abs(parts[what])


@given(st.fixed_dictionaries(amounts), factors)
def test_a_pure_change_of_price_is_price(values: dict[str, float], factor: float) -> None:
    after = values | {"price": values["price"] * factor}
    assert only(parts_of(usage(1000, **values), usage(1000, **after)), "price")


@given(st.fixed_dictionaries(amounts), factors)
def test_only_more_calls_are_volume(values: dict[str, float], factor: float) -> None:
    same = usage(1000, **values)
    assert only(parts_of(same, same, 100, 100 * factor), "volume")


@pytest.mark.parametrize("weight", [2, 4, 5, 8])
@pytest.mark.parametrize(
    ("what", "values"), [("input_tokens", {"sent": 4000}), ("output_tokens", {"answered": 1500})]
)
@pytest.mark.parametrize("cached", [0.0, 0.6])
def test_only_longer_texts_are_tokens_whatever_an_output_token_costs(
    weight: float, what: str, values: dict[str, float], cached: float
) -> None:
    base = {"output_weight": weight, "cached": cached}
    parts = parts_of(usage(1000, **base), usage(1000, **base, **values))
    assert only(parts, what), parts


@pytest.mark.parametrize(
    ("output_weight", "cached_weight"), [(4, 0.1), (4, 0.5), (4, 0.25), (5, 0.1), (8, 0.1)]
)
def test_a_lost_cache_is_cache_hits(output_weight: float, cached_weight: float) -> None:
    base = {"output_weight": output_weight, "cached_weight": cached_weight}
    parts = parts_of(usage(1000, cached=0.8, **base), usage(1000, cached=0.0, **base))
    assert only(parts, "cache_hits"), parts


def test_a_switch_to_an_unseen_model_is_model_mix_with_its_price() -> None:
    before = {"mini": usage(1000, 0.15e-6)}
    parts = parts_of(before, {"big": usage(50, 2.5e-6)})
    assert only(parts, "model_mix")
    few = before | {"big": usage(5, 1e-6)}  # seen, but too seldom to know what it costs
    assert parts_of(few, {"big": usage(50, 2.5e-6)})["price"] == pytest.approx(0.0, abs=1e-12)


def test_a_shift_between_known_models_is_model_mix() -> None:
    def mix(mini: int, big: int) -> dict[str, Usage]:
        return {"mini": usage(mini, 0.15e-6), "big": usage(big, 2.5e-6)}

    assert only(parts_of(mix(900, 100), mix(100, 900)), "model_mix")


def test_a_switch_that_also_writes_more_shows_both() -> None:
    parts = parts_of(usage(1000, 0.15e-6), {"big": usage(1000, 2.5e-6, answered=800)})
    assert parts["model_mix"] > 0 and parts["output_tokens"] > 0
    assert parts["price"] == pytest.approx(0.0, abs=1e-6)


def test_a_call_without_tokens_has_a_price_of_its_own() -> None:
    assert only(parts_of(Usage(100, 10**9), Usage(100, 3 * 10**9)), "price")


def test_without_a_price_on_one_side_there_is_no_split() -> None:
    assert split({}, {"m": usage()}, 1, 1) == split({"m": usage()}, {}, 1, 1) == ()
