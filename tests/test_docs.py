"""What the docs link to is there, and their plots are what `make plots` draws."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lumina_streams.core.alert.kind import LEADING

ROOT = Path(__file__).parents[1]
PLOTS = ROOT / "docs" / "plots"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MOST_BYTES = 30_000
SVG = "{http://www.w3.org/2000/svg}"


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_somewhere(page: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        name, _, anchor = target.partition("#")
        if ":" in name:
            continue
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)
    assert dead == []


def test_each_kind_of_alert_has_its_plot() -> None:
    assert {path.stem for path in PLOTS.iterdir()} == {*LEADING, "cost_and_quality"}


@pytest.mark.parametrize("path", sorted(PLOTS.glob("*.svg")), ids=lambda path: path.stem)
def test_a_plot_is_small_alone_and_shows_its_alert(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert re.findall(r"(?:href|src|url|@import)\b", text) == []
    assert "prefers-color-scheme:dark" in text
    picture = ElementTree.fromstring(text)
    assert picture.findtext(f"{SVG}title") == path.stem
    words = [one.text or "" for one in picture.iter(f"{SVG}text")]
    assert any(re.fullmatch(r"(opened|upgraded) \d\d:\d\d", word) for word in words)
    if path.stem != "series_limit":
        assert any(re.fullmatch(r"resolved \d\d:\d\d", word) for word in words)


def test_the_same_traffic_gives_the_same_plot(tmp_path: Path) -> None:
    """With other hash seeds too. The plots themselves may be of an older core: `make plots ARGS=--check`."""
    drawn = []
    for seed in "1", "2":
        folder = tmp_path / seed
        subprocess.run(
            [sys.executable, "bench/plots.py", "series_limit", "--to", str(folder)],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            timeout=120,
        )
        drawn.append((folder / "series_limit.svg").read_bytes())
    assert drawn[0] == drawn[1]
