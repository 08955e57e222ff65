"""Plots over time as SVG text: dots, lines, bands and markers on panels that share one time axis.

Written by hand so that a plot is small, the same for the same numbers, and readable on light and on dark
pages: it brings its own background, and both sets of colours.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import floor, log10
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 392
LEFT, RIGHT = 62, 712
MINUTE_MS = 60_000
STEPS_MIN = (10, 20, 30, 60, 120, 180, 360, 720)
MOST_LABELS = 8
CHAR = 6.1  # width of a small letter, about

LIGHT = {
    "bg": "fill:#fff;stroke:#d0d7de",
    "text": "fill:#1f2328",
    "note": "fill:#59636e",
    "grid": "stroke:#e4e8ed",
    "dots": "stroke:#3b73c4",
    "more": "stroke:#cf222e",
    "band": "fill:#3b73c4",
    "usual": "stroke:#24539a",
    "value": "stroke:#3b73c4",
    "line": "stroke:#a0480f",
    "second": "stroke:#7a3fb0",
    "of-line": "fill:#a0480f",
    "of-second": "fill:#7a3fb0",
    "area": "fill:#d9822b",
    "limit": "stroke:#59636e",
    "opened": "stroke:#cf222e;fill:#cf222e",
    "resolved": "stroke:#1a7f37;fill:#1a7f37",
    "label": "fill:#b58105",
}
DARK = {
    "bg": "fill:#0d1117;stroke:#30363d",
    "text": "fill:#e6edf3",
    "note": "fill:#9198a1",
    "grid": "stroke:#222830",
    "dots": "stroke:#6ea3f0",
    "more": "stroke:#ff7b72",
    "band": "fill:#6ea3f0",
    "usual": "stroke:#a5c8ff",
    "value": "stroke:#6ea3f0",
    "line": "stroke:#f0a35e",
    "second": "stroke:#c297f2",
    "of-line": "fill:#f0a35e",
    "of-second": "fill:#c297f2",
    "area": "fill:#d9822b",
    "limit": "stroke:#9198a1",
    "opened": "stroke:#ff7b72;fill:#ff7b72",
    "resolved": "stroke:#56d364;fill:#56d364",
    "label": "fill:#d4a72c",
}
SHAPES = (
    "text{font:12px system-ui,sans-serif}text.h{font-weight:600;font-size:13px}"
    "path{fill:none}.dots,.more{stroke-width:3.4;stroke-linecap:round;stroke-opacity:.5}"
    ".more{stroke-opacity:.8}.band{fill-opacity:.16;stroke:none}.area{fill-opacity:.2;stroke:none}"
    ".usual{stroke-width:1.4}.value,.line,.second{stroke-width:1.7;stroke-linejoin:round}"
    ".limit{stroke-dasharray:5 4}.mark{stroke-width:1.6}text.mark{stroke:none;font-weight:600}"
    ".label{fill-opacity:.14;stroke:none}"
)

Point = tuple[float, float]


def colours(palette: dict[str, str]) -> str:
    """A palette as CSS."""
    return "".join(f".{name}{{{style}}}" for name, style in palette.items())


class Scale:
    """Values to heights: `low` lies at the bottom of the panel, on a logarithmic axis if asked."""

    def __init__(self, low: float, high: float, top: int, bottom: int, logarithmic: bool = False) -> None:
        self.low, self.high = low, high
        self.top, self.bottom = top, bottom
        self.logarithmic = logarithmic

    def at(self, value: float) -> float:
        """Height of a value; what lies outside is drawn at the edge."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            part = log10(value / self.low) / log10(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.bottom - part * (self.bottom - self.top)

    def ticks(self) -> list[float]:
        """Round values, eight of them at most."""
        if self.logarithmic:
            first, last = floor(log10(self.low)), floor(log10(self.high)) + 1
            for marks in ((1, 2, 5), (1, 3), (1,)):
                found = [mark * 10.0**power for power in range(first, last + 1) for mark in marks]
                found = [value for value in found if self.low <= value <= self.high]
                if len(found) <= 8:
                    break
            return found
        span = self.high - self.low
        step = 10.0 ** floor(log10(span))
        for part in (0.1, 0.2, 0.25, 0.5, 1.0, 2.0):
            if span / (step * part) <= 5:
                step *= part
                break
        begin = -(-self.low // step)
        return [(begin + n) * step for n in range(8) if (begin + n) * step <= self.high * 1.0001]


class Picture:
    """One plot. Times are ms since 1970."""

    def __init__(self, title: str, first_ms: int, last_ms: int) -> None:
        self.title = title
        self.first_ms, self.last_ms = first_ms, last_ms
        self._parts: list[str] = []

    def x(self, at_ms: float) -> float:
        """Place of a time."""
        part = (at_ms - self.first_ms) / (self.last_ms - self.first_ms)
        return LEFT + min(max(part, 0.0), 1.0) * (RIGHT - LEFT)

    def axes(self, scale: Scale, words: str, unit: str) -> None:
        """Grid, values and heading of a panel; `unit` is a format such as `${:g}`."""
        for value in scale.ticks():
            y = scale.at(value)
            self._path("grid", f"M{LEFT} {y:.1f}H{RIGHT}")
            self._text(LEFT - 7, y + 4, unit.format(_plain(value)), "note", "end")
        self._text(LEFT, scale.top - 9, words, "note")

    def times(self, y: int) -> None:
        """Labels of the time axis, UTC."""
        minutes = (self.last_ms - self.first_ms) / MINUTE_MS
        step = next((one for one in STEPS_MIN if minutes / one <= MOST_LABELS), STEPS_MIN[-1]) * MINUTE_MS
        at_ms = -(-self.first_ms // step) * step
        while at_ms <= self.last_ms:
            self._path("grid", f"M{self.x(at_ms):.1f} {y - 16}v4")
            self._text(self.x(at_ms), y, clock(at_ms), "note", "middle")
            at_ms += step

    def dots(self, scale: Scale, points: Iterable[Point], style: str = "dots") -> None:
        """One dot a point, on half pixels; equal ones are drawn once."""
        placed = sorted({(round(self.x(at) * 2), round(scale.at(value) * 2)) for at, value in points})
        if not placed:
            return
        (x, y), *rest = placed
        text = [f"M{x / 2:g} {y / 2:g}h0"]
        for nx, ny in rest:
            text.append(f"m{_num((nx - x) / 2)}{_signed((ny - y) / 2)}h0")
            x, y = nx, ny
        self._path(style, "".join(text))

    def line(self, scale: Scale, points: Sequence[Point], style: str) -> None:
        """A line through points."""
        if points:
            self._path(style, _way([(self.x(at), scale.at(value)) for at, value in points]))

    def area(self, scale: Scale, points: Sequence[Point]) -> None:
        """What lies between a line and the bottom."""
        if points:
            way = [(self.x(at), scale.at(value)) for at, value in points]
            self._path("area", _way([(way[0][0], scale.bottom), *way, (way[-1][0], scale.bottom)]) + "z")

    def band(self, scale: Scale, edges: Sequence[tuple[float, float, float]]) -> None:
        """What lies between two lines: (time, lower, upper)."""
        there = [(self.x(at), scale.at(upper)) for at, _, upper in edges]
        back = [(self.x(at), scale.at(lower)) for at, lower, _ in reversed(edges)]
        if there:
            self._path("band", _way(there + back) + "z")

    def bars(self, scale: Scale, points: Iterable[Point], width_ms: int) -> None:
        """One bar a point, which begins at its time."""
        for at, value in points:
            x, y = self.x(at), scale.at(value)
            width = max(self.x(at + width_ms) - x - 1, 1)
            self._parts.append(
                f'<path class="band" style="fill-opacity:.55" d="M{x:.1f} {scale.bottom}V{y:.1f}h{width:.1f}'
                f'V{scale.bottom}z"/>'
            )

    def limit(self, scale: Scale, value: float, words: str) -> None:
        """A dashed line that is not to be passed, named at its right end."""
        y = scale.at(value)
        self._path("limit", f"M{LEFT} {y:.1f}H{RIGHT}")
        if words:
            self._text(RIGHT + 4, y + 4, words, "note")

    def names(self, scale: Scale, named: dict[str, float]) -> None:
        """Name lines at their right ends, from the top down; close ones are pushed apart."""
        lowest = 0.0
        for words, value in sorted(named.items(), key=lambda entry: -entry[1]):
            lowest = max(scale.at(value) + 4, lowest + 12)
            self._text(RIGHT + 4, lowest, words, "note")

    def say(self, x: float, y: float, words: str, style: str = "note", anchor: str = "start") -> None:
        """Words anywhere."""
        self._text(x, y, words, style, anchor)

    def label(self, top: int, bottom: int, first_ms: int, last_ms: int) -> None:
        """A time during which the traffic is labelled: an incident."""
        x, end = self.x(first_ms), self.x(last_ms)
        self._parts.append(
            f'<rect class="label" x="{x:.1f}" y="{top}" width="{end - x:.1f}" '
            f'height="{bottom - top}" rx="3"/>'
        )

    def mark(self, top: int, bottom: int, at_ms: int, words: str, style: str, left: bool = False) -> None:
        """A vertical line with its words at its head: something happened."""
        x = self.x(at_ms)
        self._path(f"mark {style}", f"M{x:.1f} {top}V{bottom}")
        right = x + len(words) * CHAR < WIDTH - 10 and not left
        self._text(x + (5 if right else -5), top + 9, words, f"mark {style}", "start" if right else "end")

    def text(self) -> str:
        """The plot as SVG."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" role="img">\n<title>{escape(self.title)}</title>\n'
            f"<style>{colours(LIGHT)}{SHAPES}@media(prefers-color-scheme:dark){{{colours(DARK)}"
            f".band,.area,.label{{stroke:none}}path.mark{{fill:none}}text.mark{{stroke:none}}}}</style>\n"
            f'<rect class="bg" x=".5" y=".5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="6"/>\n'
            f'<text class="text h" x="16" y="24">{escape(self.title)}</text>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )

    def _path(self, style: str, way: str) -> None:
        self._parts.append(f'<path class="{style}" d="{way}"/>')

    def _text(self, x: float, y: float, words: str, style: str, anchor: str = "start") -> None:
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text class="{style}" x="{x:.1f}" y="{y:.1f}"{where}>{escape(words)}</text>')


def clock(at_ms: float) -> str:
    """Hour and minute, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M")


def by_column(points: Iterable[Point], first_ms: int, last_ms: int) -> list[Point]:
    """The largest value of each column of pixels: what a line can show of many points."""
    found: dict[int, Point] = {}
    for at, value in points:
        column = round((at - first_ms) / (last_ms - first_ms) * (RIGHT - LEFT))
        if column not in found or value > found[column][1]:
            found[column] = (at, value)
    return [found[column] for column in sorted(found)]


def _way(places: Sequence[Point]) -> str:
    (x, y), *rest = ((round(x * 2), round(y * 2)) for x, y in places)
    text = [f"M{x / 2:g} {y / 2:g}"]
    for nx, ny in rest:
        text.append(f"l{_num((nx - x) / 2)}{_signed((ny - y) / 2)}")
        x, y = nx, ny
    return "".join(text)


def _num(value: float) -> str:
    return f"{value:g}"


def _signed(value: float) -> str:
    return f"{value:g}" if value < 0 else f" {value:g}"


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"
