"""The price of a call: an honest status beside every figure, and never a zero for "not known".

Prices are the user's own (`overrides`), else those of genai-prices' bundled list (no network). Both are
dated: a call costs what its model cost when the call started. A model is looked up once; after that a call
costs a few multiplications.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta

from genai_prices import __version__ as list_version
from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, Provider, StartDateConstraint
from msgspec import Struct
from msgspec.structs import replace

from lumina_schemas.mapping.providers import (
    MODEL_SUFFIXES,
    PRICE_LISTS,
    ROUTED_PREFIXES,
    SELF_HOSTED,
    VENDORS,
)
from lumina_schemas.span import CostStatus
from lumina_streams.core.price.overrides import BATCH, STANDARD_TIERS, Override, ordered
from lumina_streams.core.price.rates import Rates, Tariff, compile_tariff
from lumina_streams.core.span.tokens import Usage

MAX_REMEMBERED = 5_000
"""Models remembered at most: invented model names without end must not fill the memory."""

LIST_VERSION = f"genai-prices {list_version}"
"""The public list, as spans name it."""

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUFFIXES = tuple(re.compile(suffix) for suffix in MODEL_SUFFIXES)

NO_USAGE = "no usage reported"
NO_OUTPUT = "output tokens not reported"
NO_INPUT = "input tokens not reported"
AS_REPORTED = "as reported by the sender"
SHORT_WRITES = "the share of 1-hour cache writes was not reported: all priced as 5-minute writes"


class Cost(Struct, frozen=True, gc=False):
    """Cost of a call. `usd` is None exactly where `status` is `unknown`; `reason` says why not exact.

    `version` names the prices that were used, or searched in vain.
    """

    usd: float | None
    status: CostStatus
    reason: str = ""
    version: str = ""


Priced = tuple[Tariff | None, str]
"""A tariff (None: no price per token), and why it is only an estimate."""


class Own(Struct, frozen=True):
    """A price of the user's own that meets a model, from `start_ns` until before `end_ns`."""

    start_ns: int
    end_ns: int
    tariff: Tariff
    estimate: str
    version: str


class Listing(Struct, frozen=True):
    """A model's prices: the user's own that meet it, in their order, then its place in the list, or why it
    is in none.

    `starts` are the days (Unix time in ns) and `hours` the times of day (ns since midnight UTC) at which
    prices of the list change, both rising; `priced[day][hour]` applies from there on.
    """

    own: tuple[Own, ...] = ()
    starts: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    priced: tuple[tuple[Priced, ...], ...] = ()
    estimate: str = ""
    missing: str = ""

    def listed(self, start_ns: int) -> Priced:
        """What the list says for a time."""
        if len(self.starts) == 1:
            day = self.priced[0]
        else:
            day = self.priced[max(bisect_right(self.starts, start_ns) - 1, 0)]
        return day[0] if len(day) == 1 else day[bisect_right(self.hours, start_ns % _DAY_NS) - 1]


class PriceBook:
    """All known prices, and how they are to be used. One per process; pure but for the memory of what was
    looked up.
    """

    def __init__(
        self,
        prices: DataSnapshot | None = None,
        overrides: Iterable[Override] = (),
        *,
        prefer_reported: bool = False,
        estimate_tokens: bool = False,
    ) -> None:
        self._prices = prices if prices is not None else get_snapshot()
        self.prefer_reported = prefer_reported
        """Whether a cost that the sender reports is taken in place of ours."""
        self.estimate_tokens = estimate_tokens
        """Whether calls that report no tokens may be priced by their text."""
        self._listings: dict[tuple[str, str, str, str, str, str], Listing] = {}
        self.override(overrides)

    def override(self, overrides: Iterable[Override]) -> None:
        """Set the user's own prices, in place of those before. Calls priced from now on have them."""
        self.overrides = ordered(overrides)
        self._projects = {one.price.project for one in self.overrides} - {""}
        self._listings.clear()

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
        *,
        guessed: str = "",
        project: str = "",
        reported_usd: float | None = None,
    ) -> Cost:
        """Price one call.

        `provider` is canonical (`lumina_schemas.mapping.providers`), `tier` the service tier that the
        provider reported, `needs_output` false for calls that answer no tokens (embeddings), `failed`
        true where the call ended in an error, `guessed` the provider by other signs where none was named,
        `reported_usd` what the sender says that it cost.
        """
        if reported_usd is not None and self.prefer_reported:
            return Cost(reported_usd, "estimated", AS_REPORTED, AS_REPORTED)
        if usage.input is None and usage.output is None:
            return Cost(None, "unknown", f"{NO_USAGE}: the call failed" if failed else NO_USAGE)
        listing = self.listing(provider, request_model, response_model, tier, guessed, project)
        version = LIST_VERSION
        for own in listing.own:
            if own.start_ns <= start_ns < own.end_ns:
                tariff, reason, version = own.tariff, own.estimate, own.version
                break
        else:
            if listing.missing:
                return Cost(None, "unknown", listing.missing, version)
            listed, why = listing.listed(start_ns)
            if listed is None:
                return Cost(
                    None, "unknown", f"no price per token for {response_model or request_model}", version
                )
            tariff, reason = listed, _also(listing.estimate, why) if why else listing.estimate
        rates = tariff.rates(usage.input or 0)
        if usage.output and rates.output is None and needs_output:
            return Cost(
                None, "unknown", f"no price per output token for {response_model or request_model}", version
            )
        if usage.output is None and needs_output:
            reason = _also(reason, NO_OUTPUT)
        if usage.input is None:
            reason = _also(reason, NO_INPUT)
        if usage.cache_write and usage.cache_write_1h is None and rates.cache_write_1h != rates.cache_write:
            reason = _also(reason, SHORT_WRITES)
        return Cost(rates.cost(usage), "estimated" if reason else "exact", reason, version)

    def rates(
        self, provider: str, request_model: str, response_model: str, tokens: int, start_ns: int, project: str
    ) -> Rates | None:
        """What a token costs in a standard call with so many input tokens; None where no price is known."""
        listing = self.listing(provider, request_model, response_model, project=project)
        for own in listing.own:
            if own.start_ns <= start_ns < own.end_ns:
                return own.tariff.rates(tokens)
        tariff = None if listing.missing else listing.listed(start_ns)[0]
        return None if tariff is None else tariff.rates(tokens)

    def listing(
        self,
        provider: str,
        request_model: str,
        response_model: str,
        tier: str = "",
        guessed: str = "",
        project: str = "",
    ) -> Listing:
        """What is known of this model; looked up once per name."""
        # Only where a price of the user's own names one: else each project would be looked up anew.
        here = project if project in self._projects else ""
        key = (provider, request_model, response_model, tier, guessed, here)
        listing = self._listings.get(key)
        if listing is None:
            if len(self._listings) >= MAX_REMEMBERED:
                self._listings.clear()
            own = self._own(provider or guessed, request_model, response_model, tier, project)
            listing = self._look_up(provider, request_model, response_model, tier, guessed)
            if own:
                listing = replace(listing, own=own)
            self._listings[key] = listing
        return listing

    def _own(
        self, provider: str, request_model: str, response_model: str, tier: str, project: str
    ) -> tuple[Own, ...]:
        """The user's own prices that meet a model, whichever of its names, first to last."""
        models = names([model.lower() for model in (response_model, request_model) if model])
        found = []
        for one in self.overrides:
            if any(one.meets(model, provider, project) for model in models):
                tariff, estimate = one.tariff(tier)
                found.append(Own(one.start_ns, one.end_ns, tariff, estimate, one.version))
        return tuple(found)

    def _look_up(
        self, provider: str, request_model: str, response_model: str, tier: str, guessed: str
    ) -> Listing:
        models = [model.lower() for model in (response_model, request_model) if model]
        if not models:
            return Listing(missing="no model reported")
        if provider in SELF_HOSTED:
            return Listing(missing=f"no list price for self-hosted {provider}/{models[-1]}")
        for list_id, name, estimate in _attempts(provider, models, guessed):
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


def _attempts(provider: str, models: list[str], guessed: str = "") -> Iterator[tuple[str | None, str, str]]:
    """(price list or any, model name, why only an estimate) to try, the surest first."""
    list_id = PRICE_LISTS.get(provider, provider) or None
    bare = _routed(models)
    if list_id is not None:
        for model in models:
            yield list_id, model, ""
        for _, rest in bare:
            yield list_id, rest, ""
    for routed, rest in bare:
        if routed and routed != provider:
            yield PRICE_LISTS.get(routed, routed), rest, ""
    for model in models:
        for vendor in VENDORS.get(provider, ()):
            yield list_id, vendor + model, ""
    if list_id is not None:
        for model in [*models, *(rest for _, rest in bare)]:
            for shorter in _without_suffixes(model):
                yield list_id, shorter, f"{model} priced as {shorter}"
    said = f"not in the price list of {provider}" if provider else "provider not reported"
    if guessed and not provider:
        for model in models:
            yield PRICE_LISTS.get(guessed, guessed), model, f"{said}; priced as {guessed}/{model}"
    for model in [*models, *(rest for _, rest in bare)]:
        yield None, model, said


def _routed(models: list[str]) -> list[tuple[str, str]]:
    """(provider, name without its prefix) of the models that carry a router's prefix."""
    found = []
    for model in models:
        prefix, slash, rest = model.partition("/")
        if slash and prefix in ROUTED_PREFIXES:
            found.append((ROUTED_PREFIXES[prefix], rest))
    return found


def names(models: list[str]) -> list[str]:
    """All names that a price of the user's own may mean."""
    return [*models, *(rest for _, rest in _routed(models))]


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
        priced=tuple(
            tuple(_priced(model, _moment(day + hour), tier, context) for hour in times) for day in days
        ),
        estimate=estimate,
    )


def _priced(model: ModelInfo, moment: datetime, tier: str, context: dict[str, str] | None) -> Priced:
    """The tariff at a moment. genai-prices passes over a tier that it has no price for: here that is said."""
    tariff = compile_tariff(model.get_prices(moment, context))
    known = context is None or any(
        (variant.constraint is None or variant.constraint.active(moment))
        and all(context.get(key) == value for key, value in variant.when.items())
        for variant in model.price_variants or ()
    )
    return tariff, "" if known else f"no price for service tier {tier}: priced as standard"


def _context(tier: str) -> dict[str, str] | None:
    """What genai-prices calls this service tier; None for the usual one."""
    if tier in STANDARD_TIERS:
        return None
    return {"processing": "batch"} if tier == BATCH else {"service_tier": tier}


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(seconds=ns // _NS)


def _of_day_ns(moment: time) -> int:
    """A time of day as nanoseconds since midnight UTC; without a zone it is UTC."""
    since = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    return int((since - (moment.utcoffset() or timedelta())).total_seconds()) * _NS % _DAY_NS


def _also(reason: str, more: str) -> str:
    return f"{reason}; {more}" if reason else more
