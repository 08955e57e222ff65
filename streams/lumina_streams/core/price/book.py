"""The price of a call: an honest status beside every figure, and never a zero for "not known".

Prices come from genai-prices' bundled list (no network) and are dated: a call costs what its model cost
when the call started. A model is looked up once; after that a call costs a few multiplications.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, Provider, StartDateConstraint
from msgspec import Struct

from lumina_schemas.mapping.providers import MODEL_SUFFIXES, PRICE_LISTS, ROUTED_PREFIXES, SELF_HOSTED
from lumina_schemas.span import CostStatus
from lumina_streams.core.price.rates import Tariff, compile_tariff
from lumina_streams.core.span.tokens import Usage

MAX_REMEMBERED = 5_000
"""Models remembered at most: invented model names without end must not fill the memory."""

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUFFIXES = tuple(re.compile(suffix) for suffix in MODEL_SUFFIXES)

NO_USAGE = "no usage reported"
NO_OUTPUT = "output tokens not reported"
NO_INPUT = "input tokens not reported"
SHORT_WRITES = "the share of 1-hour cache writes was not reported: all priced as 5-minute writes"


class Cost(Struct, frozen=True, gc=False):
    """Cost of a call. `usd` is None exactly where `status` is `unknown`; `reason` says why not exact."""

    usd: float | None
    status: CostStatus
    reason: str = ""


class Listing(Struct, frozen=True):
    """A model in the price list, or why it is in none.

    `starts` are the days (Unix time in ns) and `hours` the times of day (ns since midnight UTC) at which
    prices change, both rising; `tariffs[day][hour]` applies from there on.
    """

    starts: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    tariffs: tuple[tuple[Tariff | None, ...], ...] = ()
    estimate: str = ""
    missing: str = ""

    def tariff(self, start_ns: int) -> Tariff | None:
        """Tariff at a time."""
        day = self.tariffs[max(bisect_right(self.starts, start_ns) - 1, 0)]
        return day[0] if len(day) == 1 else day[bisect_right(self.hours, start_ns % _DAY_NS) - 1]


class PriceBook:
    """All known prices. One per process; pure but for the memory of what was looked up."""

    def __init__(self, prices: DataSnapshot | None = None) -> None:
        self._prices = prices if prices is not None else get_snapshot()
        self._listings: dict[tuple[str, str, str, str], Listing] = {}

    def cost(
        self,
        provider: str,
        request_model: str,
        response_model: str,
        usage: Usage,
        start_ns: int,
        tier: str = "",
        needs_output: bool = True,
        failed: bool = False,
    ) -> Cost:
        """Price one call.

        `provider` is canonical (`lumina_schemas.mapping.providers`), `tier` the service tier that the
        provider reported, `needs_output` false for calls that answer no tokens (embeddings), `failed`
        true where the call ended in an error.
        """
        if not usage.known:
            return Cost(None, "unknown", f"{NO_USAGE}: the call failed" if failed else NO_USAGE)
        listing = self.listing(provider, request_model, response_model, tier)
        if listing.missing:
            return Cost(None, "unknown", listing.missing)
        tariff = listing.tariff(start_ns)
        if tariff is None:
            return Cost(None, "unknown", f"no price per token for {response_model or request_model}")
        rates = tariff.rates(usage.input or 0)
        if usage.output and rates.output is None and needs_output:
            return Cost(None, "unknown", f"no price per output token for {response_model or request_model}")
        reason = listing.estimate
        if usage.output is None and needs_output:
            reason = _also(reason, NO_OUTPUT)
        if usage.input is None:
            reason = _also(reason, NO_INPUT)
        if usage.cache_write and usage.cache_write_1h is None and rates.cache_write_1h != rates.cache_write:
            reason = _also(reason, SHORT_WRITES)
        return Cost(rates.cost(usage), "estimated" if reason else "exact", reason)

    def listing(self, provider: str, request_model: str, response_model: str, tier: str = "") -> Listing:
        """Where the list has this model; looked up once per name."""
        key = (provider, request_model, response_model, tier)
        listing = self._listings.get(key)
        if listing is None:
            if len(self._listings) >= MAX_REMEMBERED:
                self._listings.clear()
            listing = self._listings[key] = self._look_up(*key)
        return listing

    def _look_up(self, provider: str, request_model: str, response_model: str, tier: str) -> Listing:
        models = [model.lower() for model in (response_model, request_model) if model]
        if not models:
            return Listing(missing="no model reported")
        if provider in SELF_HOSTED:
            return Listing(missing=f"no list price for self-hosted {provider}/{models[-1]}")
        for list_id, name, estimate in _attempts(provider, models):
            try:
                _, model = self._prices.find_provider_model(name, None, list_id, None)
            except LookupError:
                continue
            if list_id is None:
                owner = self._owner(model)
                estimate = _also(estimate, f"priced as {owner.id if owner else 'listed'}/{model.id}")
            return _compile(model, tier, estimate)
        return Listing(missing=f"no price for {provider or 'unknown provider'}/{models[0]}")

    def _owner(self, model: ModelInfo) -> Provider | None:
        return next((p for p in self._prices.providers if any(model is other for other in p.models)), None)


def _attempts(provider: str, models: list[str]) -> Iterator[tuple[str | None, str, str]]:
    """(price list or any, model name, why only an estimate) to try, the surest first."""
    list_id = PRICE_LISTS.get(provider, provider) or None
    bare = []
    for model in models:
        prefix, slash, rest = model.partition("/")
        if slash and prefix in ROUTED_PREFIXES:
            bare.append((ROUTED_PREFIXES[prefix], rest))
    if list_id is not None:
        for model in models:
            yield list_id, model, ""
        for _, rest in bare:
            yield list_id, rest, ""
    for routed, rest in bare:
        if routed and routed != provider:
            yield PRICE_LISTS.get(routed, routed), rest, ""
    if list_id is not None:
        for model in [*models, *(rest for _, rest in bare)]:
            for shorter in _without_suffixes(model):
                yield list_id, shorter, f"{model} priced as {shorter}"
    said = f"not in the price list of {provider}" if provider else "provider not reported"
    for model in [*models, *(rest for _, rest in bare)]:
        yield None, model, said


def _without_suffixes(model: str) -> Iterator[str]:
    """The model's name without its version, and without the version before that."""
    name = model
    for suffix in _SUFFIXES:
        shorter = suffix.sub("", name)
        if shorter != name and shorter:
            name = shorter
            yield name


def _compile(model: ModelInfo, tier: str, estimate: str) -> Listing:
    """All tariffs of a model, by the times at which they begin."""
    context = _context(tier)
    starts, hours = {0}, {0}
    entries: list[ConditionalPrice] = model.prices if isinstance(model.prices, list) else []
    constraints = [entry.constraint for entry in entries]
    constraints += [variant.constraint for variant in model.price_variants or ()]
    for constraint in constraints:
        if isinstance(constraint, StartDateConstraint):
            starts.add((constraint.start_date - _EPOCH.date()).days * _DAY_NS)
        elif constraint is not None:
            hours |= {_of_day_ns(constraint.start_time), _of_day_ns(constraint.end_time)}
    days, times = tuple(sorted(starts)), tuple(sorted(hours))
    return Listing(
        starts=days,
        hours=times,
        tariffs=tuple(
            tuple(compile_tariff(model.get_prices(_moment(day + hour), context)) for hour in times)
            for day in days
        ),
        estimate=estimate,
    )


def _context(tier: str) -> dict[str, str] | None:
    """What genai-prices calls this service tier; None for the usual one."""
    if tier in ("", "auto", "default", "standard", "standard_only"):
        return None
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier}


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(seconds=ns // _NS)


def _of_day_ns(moment: time) -> int:
    """A time of day as nanoseconds since midnight UTC; without a zone it is UTC."""
    since = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    return int((since - (moment.utcoffset() or timedelta())).total_seconds()) * _NS % _DAY_NS


def _also(reason: str, more: str) -> str:
    return f"{reason}; {more}" if reason else more
