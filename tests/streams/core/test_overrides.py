"""Prices of one's own: which one meets a call, from when until when, and what it then costs."""

import random
from datetime import UTC, date, datetime
from typing import Any

import pytest

from lumina_schemas.price import Price, PriceTier, TokenPrices
from lumina_streams.core.price.book import LIST_VERSION, SHORT_WRITES, Cost, PriceBook
from lumina_streams.core.price.overrides import Override, of_file, of_settings, override
from lumina_streams.core.span.tokens import Usage

NS = 10**9
MILLION = Usage(1_000_000, 0)


def at(*day: int) -> int:
    return int(datetime(*day, tzinfo=UTC).timestamp()) * NS  # type: ignore[misc, arg-type]


NOW = at(2026, 11, 1)


def own(id: str, model: str, input: float = 1.0, *, source: str = "file", **more: Any) -> Override:
    return override(source, id, Price(model=model, input=input, output=more.pop("output", 1.0), **more))


def cost(book: PriceBook, model: str, usage: Usage = MILLION, start_ns: int = NOW, **more: Any) -> Cost:
    return book.cost(more.pop("provider", "openai"), model, "", usage, start_ns, **more)


def test_an_override_is_exact_and_says_which_it_is() -> None:
    one = own("mini", "gpt-4o-mini", 0.1)
    found = cost(PriceBook(overrides=[one]), "gpt-4o-mini")
    assert found.usd == pytest.approx(0.1)
    assert (found.status, found.reason) == ("exact", "")
    assert found.version == one.version
    assert one.version.startswith("file:mini@")
    assert len(one.version) == len("file:mini@") + 8
    listed = cost(PriceBook(), "gpt-4o-mini")
    assert listed.usd == pytest.approx(0.15)
    assert listed.version == LIST_VERSION


def test_a_version_follows_what_the_price_says() -> None:
    assert own("a", "m", 1.0).version == own("a", "m", 1.0).version
    assert own("a", "m", 1.0).version != own("a", "m", 1.5).version
    assert override("settings", "a", Price(model="m", input=1)).version.startswith("settings:prices/a@")


@pytest.mark.parametrize("provider", ["ollama", "vllm", "", "openai"])
def test_a_self_hosted_model_costs_what_is_said_also_nothing(provider: str) -> None:
    book = PriceBook(overrides=[own("llama", "llama-3*", 0.0, output=0.0)])
    found = cost(book, "Llama-3.1-8B", Usage(10, 10), provider=provider)
    assert (found.usd, found.status) == (0.0, "exact")
    assert cost(book, "mixtral", provider="ollama").status == "unknown"


def test_precedence() -> None:
    """Topic before file, then the most specific pattern; whatever the order in which they came."""
    everything = [
        own("a", "*", 1.0),
        own("b", "gpt-*", 2.0),
        own("c", "gpt-4o*", 3.0),
        own("d", "gpt-4o-mini", 4.0),
        own("e", "gpt-4o-mini", 5.0, provider="openai"),
        own("f", "gpt-4o-mini", 6.0, project="shop"),
        own("h", "gpt-4o-mini", 7.0, project="shop"),
    ]
    topic = own("z", "gpt-*", 8.0, source="settings")
    rng = random.Random(1)
    for _ in range(20):
        rng.shuffle(everything)
        book = PriceBook(overrides=everything)
        assert cost(book, "gpt-4o-mini", project="shop").usd == 6.0  # of equals the smaller id
        assert cost(book, "gpt-4o-mini", project="other").usd == 5.0
        assert cost(book, "gpt-4o-mini", provider="azure.ai.openai").usd == 4.0
        assert cost(book, "gpt-4o-2024").usd == 3.0
        assert cost(book, "gpt-5").usd == 2.0
        assert cost(book, "claude").usd == 1.0
        assert cost(PriceBook(overrides=[*everything, topic]), "gpt-4o-mini", project="shop").usd == 8.0


def test_any_name_of_the_call_counts() -> None:
    book = PriceBook(overrides=[own("house", "my-deployment", 3.0)])
    found = book.cost("azure.ai.openai", "my-deployment", "gpt-4o-mini-2024-07-18", MILLION, NOW)
    assert found.usd == 3.0
    routed = cost(PriceBook(overrides=[own("a", "gpt-4o-mini", 3.0)]), "openai/gpt-4o-mini", provider="")
    assert routed.usd == 3.0


def test_a_provider_may_be_spelled_in_any_way_and_be_guessed() -> None:
    book = PriceBook(overrides=[own("a", "*", 3.0, provider="Azure")])
    assert cost(book, "gpt-4o-mini", provider="azure.ai.openai").usd == 3.0
    assert cost(book, "gpt-4o-mini", provider="", guessed="azure.ai.openai").usd == 3.0
    assert cost(book, "gpt-4o-mini", provider="openai").usd == pytest.approx(0.15)


def test_effective_dates() -> None:
    """First day in, last day out, the next price of the same name behind it, and the list around both."""
    book = PriceBook(
        overrides=[
            own("a", "gpt-4o-mini", 2.0, from_=date(2026, 3, 1), to=date(2026, 4, 1)),
            own("b", "gpt-4o-mini", 3.0, from_=date(2026, 4, 1), to=date(2026, 5, 1)),
        ]
    )
    days = [
        (at(2026, 3, 1) - 1, 0.15),
        (at(2026, 3, 1), 2.0),
        (at(2026, 4, 1) - 1, 2.0),
        (at(2026, 4, 1), 3.0),
        (at(2026, 5, 1) - 1, 3.0),
        (at(2026, 5, 1), 0.15),
    ]
    assert [cost(book, "gpt-4o-mini", start_ns=start).usd for start, _ in days] == pytest.approx(
        [usd for _, usd in days]
    )


def test_tiers_reprice_the_whole_call() -> None:
    tiers = (PriceTier(above=200_000, input=2.0, output=20.0), PriceTier(above=500_000, input=4.0))
    book = PriceBook(overrides=[own("a", "m", 1.0, output=10.0, cache_read=0.5, tiers=tiers)])
    edges = {200_000: 0.2, 200_001: 0.400002, 500_000: 1.0, 500_001: 2.000004}
    assert [cost(book, "m", Usage(n, 0)).usd for n in edges] == pytest.approx(list(edges.values()))
    # What a tier does not name is as without it: cached tokens cost 0.5 in each.
    assert cost(book, "m", Usage(300_000, 1_000, cache_read=300_000)).usd == pytest.approx(0.15 + 0.02)


def test_every_kind_of_token_has_its_price() -> None:
    kinds: dict[str, Any] = {"cache_read": 0.1, "cache_write": 1.25, "cache_write_1h": 2.0, "reasoning": 20.0}
    one = own("a", "m", 1.0, output=10.0, request=0.01, **kinds)
    usage = Usage(1_000, 100, 400, 300, 100, 60)
    wanted = (300 * 1.0 + 400 * 0.1 + 200 * 1.25 + 100 * 2.0 + 40 * 10.0 + 60 * 20.0) / 1e6 + 0.01
    found = cost(PriceBook(overrides=[one]), "m", usage)
    assert found.usd == pytest.approx(wanted)
    assert found.status == "exact"
    unsplit = cost(PriceBook(overrides=[one]), "m", Usage(1_000, 100, 400, 300))
    assert (unsplit.status, unsplit.reason) == ("estimated", SHORT_WRITES)
    plain = PriceBook(overrides=[own("a", "m", 1.0, output=10.0)])
    assert cost(plain, "m", usage).usd == pytest.approx((1_000 * 1.0 + 100 * 10.0) / 1e6)
    assert cost(PriceBook(overrides=[own("a", "m", output=None)]), "m", Usage(1, 1)).status == "unknown"


def test_batch() -> None:
    usage = Usage(1_000_000, 100_000)
    halved = PriceBook(overrides=[own("a", "m", 1.0, output=10.0, batch=0.5, request=0.2)])
    assert cost(halved, "m", usage).usd == pytest.approx(2.2)
    found = cost(halved, "m", usage, tier="batch")
    assert found.usd == pytest.approx(1.1)
    assert found.status == "exact"
    of_their_own = PriceBook(overrides=[own("a", "m", 1.0, batch=TokenPrices(input=0.3, output=2.0))])
    assert cost(of_their_own, "m", usage, tier="batch").usd == pytest.approx(0.5)
    without = own("a", "m", 1.0)
    found = cost(PriceBook(overrides=[without]), "m", usage, tier="batch")
    assert found.status == "estimated"
    assert found.reason == f"no price for service tier batch in {without.version}: priced as standard"


def test_changing_them_drops_what_was_looked_up() -> None:
    book = PriceBook()
    assert cost(book, "gpt-4o-mini").usd == pytest.approx(0.15)
    assert cost(book, "gpt-4o-mini", project="a") is not None
    assert len(book._listings) == 1  # projects are told apart only where a price names one
    book.override([own("a", "gpt-4o-mini", 9.0, project="a")])
    assert cost(book, "gpt-4o-mini", project="a").usd == 9.0
    assert cost(book, "gpt-4o-mini", project="b").usd == pytest.approx(0.15)
    book.override([])
    assert cost(book, "gpt-4o-mini", project="a").usd == pytest.approx(0.15)


def test_what_is_no_price_is_told_and_left_out() -> None:
    found, problems = of_settings(
        {
            "prices/good": b'{"model":"m","input":1,"from":"2026-01-01","later":"field"}',
            "prices/": b'{"model":"m","input":1}',
            "prices/text": b"cheap",
            "prices/bytes": b"\xff",
            "prices/deep": b"[" * 100_000,
            "prices/negative": b'{"model":"m","input":-1}',
            "prices/days": b'{"model":"m","input":1,"from":"2026-01-02","to":"2026-01-01"}',
        }
    )
    assert [one.version.partition("@")[0] for one in found] == ["settings:prices/good"]
    assert problems.keys() == {f"prices/{id}" for id in ("", "text", "bytes", "deep", "negative", "days")}
    assert all(problems.values())


def test_brackets_and_case() -> None:
    book = PriceBook(overrides=of_file({"a": Price(model="GPT-[45]?", input=2.0)}))
    assert cost(book, "gpt-4x", needs_output=False).usd == 2.0
    assert cost(book, "GPT-5y", needs_output=False).usd == 2.0
    assert cost(book, "gpt-6z", needs_output=False).status == "unknown"
