"""Why cost changed: the parts add up whatever the numbers, and each change of one thing is its own part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from api.rest.conftest import Rest
from api.views.span_lines import NOON_NS, SECOND_NS, span
from lumina_api.rest.cost_change import PARTS, Prices, cache_savings, change_of
from lumina_schemas.price import Price
from lumina_schemas.span import Span
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.cost import price
from lumina_streams.core.span.tokens import usage_in

BOOK = PriceBook()
PRICES = Prices(BOOK, NOON_NS)
HOUR_NS = 3600 * SECOND_NS
TIME: dict[str, Any] = {"since": "2026-01-01T11:00:00Z", "until": "2026-01-01T12:00:00Z"}
CLAUDE: dict[str, Any] = {
    "provider": "anthropic",
    "request_model": "claude-sonnet-4-5",
    "response_model": "claude-sonnet-4-5",
}

amounts = st.none() | st.floats(0, 1e9) | st.sampled_from([1e308, float("inf"), float("nan"), -1.0])
rows = st.lists(
    st.fixed_dictionaries(
        {
            "project": st.sampled_from(["shop", "bank"]),
            "provider": st.sampled_from(["openai", "anthropic", ""]),
            "request_model": st.sampled_from(["gpt-4o", "claude-sonnet-4-5", "mine", ""]),
            "response_model": st.sampled_from(["", "gpt-4o-mini", "mine"]),
            "calls": st.integers(1, 100),
            "cost_usd": st.floats(0, 1e6),
            **{
                name: st.none() | st.integers(0, 10**9)
                for name in ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
            },
        }
    ),
    max_size=6,
)


@given(before=rows, after=rows)
def test_the_parts_add_up_to_the_whole_change(before: list[Any], after: list[Any]) -> None:
    change = change_of(before, after, PRICES)
    whole = sum(row["cost_usd"] for row in after) - sum(row["cost_usd"] for row in before)
    assert change["usd"] == pytest.approx(whole, abs=1e-6)
    size = max(abs(value) for value in change.values())
    assert sum(change[part] for part in (*PARTS, "new")) == pytest.approx(whole, abs=1e-6 + 1e-9 * size)
    assert set(change) == {"usd", *PARTS, "new"}
    if before and after:
        assert change["new"] == 0


@given(
    before=rows,
    after=st.lists(
        st.fixed_dictionaries(
            dict.fromkeys(
                (
                    "calls",
                    "cost_usd",
                    "input_tokens",
                    "cache_read_tokens",
                    "cache_write_tokens",
                    "output_tokens",
                ),
                amounts,
            )
        ),
        max_size=3,
    ),
)
def test_no_number_breaks_it(before: list[Any], after: list[Any]) -> None:
    names = dict.fromkeys(("project", "provider", "request_model", "response_model"), "gpt-4o")
    change_of(before, [row | names for row in after], PRICES)


class Hours:
    """An hour of calls and the one before it, priced by the public list."""

    def __init__(self, path: Path) -> None:
        self.rest = Rest(path)
        self._made = 0

    def calls(self, count: int, hour: int, factor: float = 1.0, **fields: Any) -> None:
        """So many calls in the hour before noon (1) or the one before that (2), each `factor` its price."""
        made = []
        for number in range(self._made, self._made + count):
            start_ns = NOON_NS - hour * HOUR_NS + number
            call = span(number, **{"start_ns": start_ns, "input_tokens": 1000, "output_tokens": 100} | fields)
            made.append(replace(call, cost_usd=listed(call) * factor))
        self._made += count
        self.rest.apply(self.rest.log.spans(made))

    def summary(self) -> Any:
        return self.rest.get("/api/v1/costs/summary", **TIME)

    def reasons(self) -> dict[str, float]:
        """The parts of the change that are something: a thousandth of it is what rounding tokens may do."""
        change = self.summary()["change"]
        least = max(1e-9, abs(change["usd"]) / 1000)
        return {part: change[part] for part in (*PARTS, "new") if abs(change[part]) > least}


def listed(call: Span) -> float:
    """What it costs by the public list."""
    cost = price(call, usage_in(call), call.project, BOOK).cost.usd
    assert cost is not None
    return cost


@pytest.fixture
def hours(tmp_path: Path) -> Iterator[Hours]:
    made = Hours(tmp_path / "views.duckdb")
    yield made
    made.rest.store.close()


def test_more_of_the_same_calls_is_volume(hours: Hours) -> None:
    hours.calls(5, hour=2)
    hours.calls(10, hour=1)
    assert hours.reasons() == {
        "volume": pytest.approx(5 * listed(span(input_tokens=1000, output_tokens=100)))
    }


@pytest.mark.parametrize(
    ("part", "fields"),
    [
        ("input_tokens", {"input_tokens": 3000}),
        ("output_tokens", {"output_tokens": 700}),
        ("cache_hits", {"cache_read_tokens": 800}),
        ("cache_hits", {**CLAUDE, "cache_read_tokens": 300, "cache_write_tokens": 500}),
    ],
)
def test_other_tokens_of_the_same_calls_are_their_part(
    hours: Hours, part: str, fields: dict[str, Any]
) -> None:
    model = {name: value for name, value in fields.items() if name in CLAUDE}
    hours.calls(3, hour=2, **model)
    hours.calls(3, hour=1, **fields)
    same = span(input_tokens=1000, output_tokens=100)
    assert hours.reasons() == {
        part: pytest.approx(3 * (listed(replace(same, **fields)) - listed(replace(same, **model))), rel=1e-3)
    }


def test_another_price_of_the_same_tokens_is_price(hours: Hours) -> None:
    hours.calls(4, hour=2)
    hours.calls(4, hour=1, factor=1.5)
    assert hours.reasons() == {"price": pytest.approx(2 * listed(span(input_tokens=1000, output_tokens=100)))}


def test_another_model_is_mix(hours: Hours) -> None:
    hours.calls(4, hour=2)
    hours.calls(4, hour=1, request_model="gpt-4o", response_model="gpt-4o")
    assert set(hours.reasons()) == {"model_mix"}


def test_where_nothing_was_called_before_all_of_it_is_new(hours: Hours) -> None:
    hours.calls(4, hour=1)
    assert hours.reasons() == {"new": pytest.approx(hours.summary()["totals"]["cost_usd"])}


def test_calls_without_a_price_change_nothing_but_coverage(hours: Hours) -> None:
    hours.calls(4, hour=2)
    hours.calls(4, hour=1)
    unknown = span(900, start_ns=NOON_NS - 1, cost_usd=None, cost_status="unknown", input_tokens=10**6)
    hours.rest.apply(hours.rest.log.spans([unknown]))
    assert hours.reasons() == {}
    totals = hours.summary()["totals"]
    assert (totals["coverage"], totals["unknown_calls"]) == (0.8, 1)


def savings(hours: Hours) -> tuple[Any, Any]:
    summary = hours.summary()
    return summary["cache_savings_usd"], summary["cache_savings_coverage"]


def test_what_is_cached_saves_against_the_full_price_and_what_is_written_costs(hours: Hours) -> None:
    assert savings(hours) == (None, None)
    cached = {**CLAUDE, "cache_read_tokens": 300, "cache_write_tokens": 500}
    hours.calls(2, hour=1, **cached)
    whole = span(input_tokens=1000, output_tokens=100, **CLAUDE)
    saved = 2 * (listed(whole) - listed(replace(whole, **cached)))
    assert savings(hours) == (pytest.approx(saved), 1)
    assert saved != pytest.approx(2 * (listed(whole) - listed(replace(whole, cache_read_tokens=300))))


def test_cached_tokens_without_a_price_are_coverage_and_never_nothing_saved(hours: Hours) -> None:
    unlisted = span(
        901, request_model="mine", response_model="", start_ns=NOON_NS - 1, cache_read_tokens=60, cost_usd=0.1
    )
    hours.rest.apply(hours.rest.log.spans([unlisted]))
    assert savings(hours) == (None, 0)
    hours.calls(1, hour=1, cache_read_tokens=40)
    usd, coverage = savings(hours)
    assert usd is not None
    assert usd > 0
    assert coverage == 0.4


def test_a_price_of_ones_own_tells_what_was_saved(hours: Hours) -> None:
    own = Price(model="mine", input=100.0, cache_read=25.0, output=400.0, project="shop")
    call = span(
        902, request_model="mine", response_model="", start_ns=NOON_NS - 1, cache_read_tokens=60, cost_usd=0.1
    )
    hours.rest.apply(hours.rest.log.spans([call]))
    hours.rest.apply(hours.rest.log.setting("prices/mine", msgspec.json.encode(own)))
    assert savings(hours) == (pytest.approx(60 * 75 / 1e6), 1)
    elsewhere = replace(own, project="bank")
    hours.rest.apply(hours.rest.log.setting("prices/mine", msgspec.json.encode(elsewhere)))
    assert savings(hours) == (None, 0)


def test_savings_of_rows_that_tell_nothing_are_unknown() -> None:
    totals: dict[str, object] = {"cache_read_tokens": 0, "cache_write_tokens": 0}
    assert cache_savings([], totals, PRICES) == (None, None)
