"""Prices of one's own, ready to be used: which of them meets a call, and what it then costs.

Those of `lumina.settings` come before those of the file. Among equals the most specific pattern is first: a
name before a pattern, then the pattern with more characters of its own, then one for a project, then one for
a provider, then the smaller id.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from lumina_schemas.price import KIND, MAX_ID_CHARS, Price, TokenPrices, problem_of
from lumina_streams.core.price.rates import Rates, Tariff
from lumina_streams.core.span.provider import provider_of

NS = 1_000_000_000
BATCH = "batch"
STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "standard_only"})
"""Service tiers that cost what a price says without more."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WILD = re.compile(r"\[[^]]*\]|[*?]")
_decode = msgspec.json.Decoder(Price).decode
_encode = msgspec.json.Encoder(order="deterministic").encode


class Override(Struct, frozen=True):
    """A price of one's own. `version` says where it stands and which it is, `rank` how early it is asked."""

    price: Price
    version: str
    rank: tuple[object, ...]
    provider: str
    pattern: re.Pattern[str]
    start_ns: int
    end_ns: int
    standard: Tariff
    batch: Tariff | None

    def meets(self, model: str, provider: str, project: str) -> bool:
        """Whether it is for this model (lower case) of this provider in this project, at some time."""
        return (
            (not self.provider or self.provider == provider)
            and (not self.price.project or self.price.project == project)
            and self.pattern.match(model) is not None
        )

    def tariff(self, tier: str) -> tuple[Tariff, str]:
        """What a call of this service tier costs, and why that is only an estimate, if it is one."""
        if tier in STANDARD_TIERS:
            return self.standard, ""
        if tier == BATCH and self.batch is not None:
            return self.batch, ""
        return self.standard, f"no price for service tier {tier} in {self.version}: priced as standard"


def override(source: str, id: str, price: Price) -> Override:
    """A price as it is used. `source` is `settings` (asked first) or `file`."""
    pattern = price.model.strip().lower()
    is_name = _WILD.search(pattern) is None
    name = f"settings:{KIND}{id}" if source == "settings" else f"{source}:{id}"
    standard = _tariff(price)
    batch: Tariff | None = None
    if isinstance(price.batch, TokenPrices):
        batch = _tariff(price.batch)
    elif price.batch is not None:
        batch = _times(standard, price.batch)
    return Override(
        price=price,
        version=f"{name}@{sha256(_encode(price)).hexdigest()[:8]}",
        rank=(
            source != "settings",
            not is_name,
            -len(_WILD.sub("", pattern)),
            not price.project,
            not price.provider,
            id,
        ),
        provider=provider_of(price.provider, "", "") if price.provider else "",
        pattern=re.compile(fnmatch.translate(pattern)),
        start_ns=0 if price.from_ is None else _ns(price.from_),
        end_ns=2**63 if price.to is None else _ns(price.to),
        standard=standard,
        batch=batch,
    )


def of_file(prices: Mapping[str, Price]) -> list[Override]:
    """The overrides of a price file."""
    return [override("file", id, price) for id, price in prices.items()]


def of_settings(values: Mapping[str, bytes]) -> tuple[list[Override], dict[str, str]]:
    """The overrides among values of `lumina.settings` by key, and why others are none, by key."""
    found: list[Override] = []
    problems: dict[str, str] = {}
    for key, value in values.items():
        id = key.removeprefix(KIND)
        try:
            price = _decode(value)
            problem = problem_of(price)
            if not 0 < len(id) <= MAX_ID_CHARS:
                problem = f"its id must have 1 to {MAX_ID_CHARS} characters"
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problem = str(error)
        if problem:
            problems[key] = problem
        else:
            found.append(override("settings", id, price))
    return found, problems


def ordered(overrides: Iterable[Override]) -> tuple[Override, ...]:
    """In the order in which they are asked."""
    return tuple(sorted(overrides, key=lambda one: one.rank))


def _tariff(prices: TokenPrices) -> Tariff:
    """Rates by size of the input; what a tier does not say is as without it."""
    given = {name: getattr(prices, name) for name in _UNITS}
    tiers = [(-1, _rates(given, prices.request))]
    for tier in prices.tiers:
        more = {name: value for name in _UNITS if (value := getattr(tier, name)) is not None}
        tiers.append((tier.above, _rates(given | more, prices.request)))
    return Tariff(tuple(tiers))


_UNITS = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")


def _rates(given: Mapping[str, float | None], request: float) -> Rates:
    def per_token(*names: str) -> float | None:
        return next((value / 1_000_000 for name in names if (value := given[name]) is not None), None)

    return Rates(
        input=per_token("input") or 0.0,
        output=per_token("output"),
        cache_read=per_token("cache_read", "input") or 0.0,
        cache_write=per_token("cache_write", "input") or 0.0,
        cache_write_1h=per_token("cache_write_1h", "cache_write", "input") or 0.0,
        reasoning=per_token("reasoning", "output") or 0.0,
        request=request,
    )


def _times(tariff: Tariff, factor: float) -> Tariff:
    """All prices of a tariff times so much."""
    return Tariff(tuple((start, Rates(**_scaled(asdict(rates), factor))) for start, rates in tariff.tiers))


def _scaled(prices: Mapping[str, Any], factor: float) -> dict[str, Any]:
    return {name: None if price is None else price * factor for name, price in prices.items()}


def _ns(day: date) -> int:
    return (day - _EPOCH.date()).days * 86_400 * NS
