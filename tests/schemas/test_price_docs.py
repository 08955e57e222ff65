"""docs/prices.md: its example is a price file that can be read, with every field that there is."""

import re
from pathlib import Path

from msgspec.structs import fields

from lumina_schemas.price import Price
from lumina_schemas.price_file import parse

PAGE = Path(__file__).parents[2] / "docs" / "prices.md"


def test_the_example_can_be_read_and_leaves_nothing_out() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    prices = parse(example, "docs/prices.md")
    assert list(prices) == ["llama", "contract-2026"]
    for each in fields(Price):
        if each.name != "v":
            assert re.search(rf"^{each.encode_name} =", example, re.MULTILINE), each.name
