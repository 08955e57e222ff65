"""The price file: what it may say, and what it says of itself where it is wrong."""

from datetime import date
from pathlib import Path

import pytest

from lumina_schemas.price import PriceTier, TokenPrices
from lumina_schemas.price_file import PriceFileError, parse, read

WHOLE = """
# Contract 2026/17
[prices.llama]
model = "llama-3*"
provider = "vllm"
project = "shop"
input = 0.0
output = 0
note = "our own machines"

[prices."gpt-4.1"]
model = "gpt-4.1"
input = 1.5
cache_read = 0.3
output = 6.0
from = 2026-01-01
to = 2026-07-01
batch = 0.5
tiers = [{above = 200_000, input = 3.0}]

[prices.embed]
model = "embed-*"
input = 0.01
batch = {input = 0.004}
"""


def test_a_whole_file() -> None:
    prices = parse(WHOLE, "prices.toml")
    assert list(prices) == ["llama", "gpt-4.1", "embed"]
    llama = prices["llama"]
    assert (llama.model, llama.provider, llama.project) == ("llama-3*", "vllm", "shop")
    assert (llama.input, llama.output) == (0.0, 0.0)
    dated = prices["gpt-4.1"]
    assert (dated.from_, dated.to, dated.batch) == (date(2026, 1, 1), date(2026, 7, 1), 0.5)
    assert dated.tiers == (PriceTier(above=200_000, input=3.0),)
    assert prices["embed"].batch == TokenPrices(input=0.004)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[prices.a]\nmodel = \n", ["p.toml is no TOML", "line 2"]),
        ("[prices.a]\nmodel='x'\ninput=1\n[prices.a]\n", ["p.toml is no TOML", "line 4"]),
        ("\n[price.a]\nmodel='x'\n", ["'price' (line 2)", "[prices.<id>]"]),
        ("[prices]\na = 3\n", ["prices.a (line 2)", "an entry is a table"]),
        ("[prices.a]\nmodel='x'\n", ["prices.a (line 1)", "input"]),
        (
            "[prices.b]\nmodel='x'\ninput=1\n\n[prices.a]\nmodel='x'\ninput=-1\n",
            ["prices.a (line 5)", "`input`", ">= 0"],
        ),
        (
            "[prices.a]\nmodel='x'\ninput=1\ncache_reed=1\n",
            ["prices.a (line 1)", "`cache_reed`", "cache_read"],
        ),
        ("[prices.a]\nmodel='x'\ninput=1\nbatch={inptu=1}\n", ["`batch.inptu`"]),
        ("[prices.a]\nmodel='x'\ninput=1\ntiers=[{above=1,out=1}]\n", ["`tiers.out`"]),
        ("[prices.a]\nmodel='x'\ninput='free'\n", ["`input`", "Expected `float`"]),
        ("[prices.a]\nmodel=' '\ninput=1\n", ["`model` is blank"]),
        ("[prices.a]\nmodel='x'\ninput=1\nfrom=2026-01-02\nto=2026-01-02\n", ["`to` (2026-01-02)"]),
        (
            "[prices.a]\nmodel='x'\ninput=1\ntiers=[{above=5,input=1},{above=5,input=2}]\n",
            ["`tiers` must rise"],
        ),
        ("[prices.a]\nmodel='x'\ninput=1\nfrom='soon'\n", ["`from`", "Invalid"]),
        ("[prices.'a b']\nmodel='x'\ninput=1\n", ["prices.a b", "an id has letters"]),
        ("prices = 3\n", ["`prices` must hold tables"]),
    ],
)
def test_a_bad_file_says_where_and_what(text: str, said: list[str]) -> None:
    with pytest.raises(PriceFileError) as failed:
        parse(text, "p.toml")
    for words in said:
        assert words in str(failed.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert read(None) == {}
    with pytest.raises(PriceFileError, match=r"LUMINA_PRICES_FILE .*no\.toml.* cannot be read"):
        read(tmp_path / "no.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xe4")
    with pytest.raises(PriceFileError, match="cannot be read"):
        read(tmp_path / "latin.toml")
