"""The page that operators trust names every attack, in the words of the table that `make faults` prints."""

from pathlib import Path

from faults.attacks import ATTACKS

PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_every_attack_is_in_the_docs() -> None:
    _, _, rest = PAGE.read_text().partition("<!-- faults -->\n")
    table, _, _ = rest.partition("<!-- end -->")
    told = {tuple(cell.strip() for cell in line.strip("|").split("|"))[:2] for line in table.splitlines()[2:]}
    assert told == {(f"`{attack.name}`", attack.what) for attack in ATTACKS.values()}
