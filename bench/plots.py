"""Draw the plots of docs/alerts.md: one staged incident for each kind of alert, as the core sees it.

python bench/plots.py            # write docs/plots/*.svg
python bench/plots.py --check    # say which differ from what the core makes of the same traffic now
"""

import argparse
import sys
from itertools import zip_longest
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

from picture import HEIGHT, MINUTE_MS, RIGHT, Picture, Point, Scale, by_column, clock
from staged import STAGED, Seen

FOLDER = Path(__file__).parents[1] / "docs" / "plots"
TOP, MIDDLE = 112, 248  # of the panel of values
LOWER, BOTTOM = 288, 352  # of the panel of evidence
SENTENCE_CHARS, SENTENCE_LINES = 106, 3
MOST_EVIDENCE = 3.2
LABEL_WIDTH = 100  # of a moment


class Look(NamedTuple):
    """How a plot is drawn."""

    words: str  # heading of the values
    unit: str
    label: str  # of the incident
    logarithmic: bool = False
    shape: str = "dots"  # dots, line, bars
    low: float = 0.0
    high: float = 0.0  # 0: as the values need it
    usual: tuple[str, str] = ("p50", "p95")
    limit: float = 0.0
    limit_words: str = ""
    evidence: str = "evidence, in thresholds"


LOOKS = {
    "cost_spike": Look(
        "USD a call", "${}", "six in ten calls to a model at twice the price", logarithmic=True
    ),
    "quality_drop": Look(
        "quality of an answer", "{}", "35 % of answers refuse", high=1.0, usual=("p50", "p5")
    ),
    "cost_and_quality": Look(
        "USD a call; red: bad answer", "${}", "a model 1.6x as dear that refuses 35 %", logarithmic=True
    ),
    "spend_spike": Look(
        "USD a minute, by five minutes",
        "${}",
        "six times the calls",
        shape="bars",
        evidence="share of the limit",
    ),
    "error_spike": Look(
        "share of the last 50 calls that failed", "{}", "30 % fail", shape="line", usual=("usual", "")
    ),
    "latency_spike": Look("seconds a call", "{} s", "1.7x as slow", logarithmic=True),
    "unpriced": Look(
        "share of the last 50 calls without a price",
        "{}",
        "60 % of calls to a model without a price",
        shape="line",
        high=1.0,
        usual=("usual", ""),
    ),
    "no_data": Look(
        "time since the call before",
        "{} s",
        "silence",
        logarithmic=True,
        low=1.0,
        limit=600.0,
        limit_words="10 min",
        evidence="silence, in no_data_after_s",
    ),
    "series_limit": Look(
        "series of the project",
        "{}",
        "an id in every path",
        shape="line",
        high=1100.0,
        limit=1000.0,
        limit_words="limit",
    ),
}


def draw(kind: str) -> str:
    """One plot as SVG."""
    return plot(kind, STAGED[kind](), LOOKS[kind])


def plot(kind: str, seen: Seen, look: Look) -> str:
    """What was seen, drawn."""
    picture = Picture(kind, seen.first_ms, seen.last_ms)
    for number, line in enumerate(sentence(seen.alert.summary)):
        picture.say(16, 42 + 15 * number, line)
    values, evidence = _scales(seen, look)
    picture.label(TOP - 6, BOTTOM, seen.onset_ms, seen.end_ms)
    picture.axes(values, look.words, look.unit)
    _values(picture, seen, look, values)
    picture.axes(evidence, look.evidence, "{}")
    for number, (style, name) in enumerate(zip(("line", "second"), seen.evidence, strict=False)):
        points = by_column(seen.evidence[name], seen.first_ms, seen.last_ms)
        if style == "line":
            picture.area(evidence, points)
        picture.line(evidence, points, style)
        if len(seen.evidence) > 1:
            picture.say(RIGHT - 60 * number, LOWER - 9, name, f"of-{style}", "end")
    picture.limit(evidence, 1.0, "alerts")
    picture.times(BOTTOM + 20)
    begin_ms = max([m.at_ms for m in seen.moments if m.words != "resolved"], default=seen.onset_ms)
    picture.say(picture.x((begin_ms + seen.end_ms) / 2), LOWER - 18, look.label, "text", "middle")
    for moment, later in zip_longest(seen.moments, seen.moments[1:]):
        style = "resolved" if moment.words == "resolved" else "opened"
        words = f"{moment.words} {clock(moment.at_ms)}"
        left = later is not None and picture.x(later.at_ms) - picture.x(moment.at_ms) < LABEL_WIDTH
        picture.mark(TOP - 34, BOTTOM, moment.at_ms, words, style, left)
    return picture.text()


def _scales(seen: Seen, look: Look) -> tuple[Scale, Scale]:
    shown = [value for _, value in [*seen.points, *seen.more]]
    low = look.low or (min(shown) * 0.8 if look.logarithmic else 0.0)
    high = look.high or max(shown) * (1.6 if look.logarithmic else 1.15)
    most = max((value for points in seen.evidence.values() for _, value in points), default=1.0)
    highest = min(max(most, 1.0) * 1.1, MOST_EVIDENCE)
    return Scale(low, high, TOP, MIDDLE, look.logarithmic), Scale(0.0, highest, LOWER, BOTTOM)


def _values(picture: Picture, seen: Seen, look: Look, scale: Scale) -> None:
    usual = by_column([(at, p50) for at, p50, _ in seen.baseline], seen.first_ms, seen.last_ms)
    shown = dict(usual)
    edges = [edge for edge in seen.baseline if edge[0] in shown]
    if look.usual[1]:
        picture.band(scale, edges)
    if look.shape == "dots":
        picture.dots(scale, seen.points)
    elif look.shape == "bars":
        picture.bars(scale, seen.points, 5 * MINUTE_MS)
    else:
        picture.line(scale, by_column(seen.points, seen.first_ms, seen.last_ms), "value")
    picture.dots(scale, seen.more, "more")
    if edges:
        _usual(picture, scale, look, usual, edges[-1])
    if look.limit:
        picture.limit(scale, look.limit, look.limit_words)


def _usual(
    picture: Picture, scale: Scale, look: Look, usual: list[Point], last: tuple[float, float, float]
) -> None:
    picture.line(scale, usual, "usual")
    picture.names(scale, {name: value for name, value in zip(look.usual, last[1:], strict=True) if name})


def sentence(summary: str) -> list[str]:
    """The alert's summary in so many lines as there is room for."""
    lines = wrap(summary, SENTENCE_CHARS)
    if len(lines) > SENTENCE_LINES:
        lines = [*lines[: SENTENCE_LINES - 1], lines[SENTENCE_LINES - 1] + " ..."]
    return lines


def main() -> int:
    """Write the plots, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("kinds", nargs="*", help="only these")
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 where a plot differs")
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder to write to")
    asked = parser.parse_args()
    differ = []
    for kind in asked.kinds or LOOKS:
        path, text = asked.to / f"{kind}.svg", draw(kind)
        if asked.check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                differ.append(path.name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if differ:
        print(f"Not what the core does now: {', '.join(differ)}. Run python bench/plots.py.", file=sys.stderr)
    return 1 if differ else 0


if __name__ == "__main__":
    assert HEIGHT > BOTTOM
    sys.exit(main())
