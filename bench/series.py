"""Recorded series with labelled windows: precision, recall, f1 and delay, beside the fixed rule.

`--dir` holds CSV files (timestamp, value), `--windows` is a JSON file: name -> [[start, end], ...]. Flags
less than 24 h apart are one incident; it is true when one of its flags lies inside a window. The first 15 %
of a series, at most 750 points, are not scored. One set of constants for all series, in
lumina_streams/core/baseline/recorded.py. They were chosen on made-up series: `--synthetic SEED` scores those.
"""

import argparse
import csv
import json
import sys
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from labelled.recorded import Recording, draw_recording
from lumina_streams.core.baseline.recorded import Recorded
from machine import facts

MERGE_S = 24 * 3600.0
UNSCORED_SHARE, UNSCORED_POINTS = 0.15, 750
FIXED_LAST, FIXED_LEAST = 1000, 20
FIXED_QUANTILE, FIXED_RATIO = 0.95, 1.2

Points = list[tuple[float, float]]
Flagger = Callable[[Points], Iterable[int]]


def main() -> int:
    """Score and print one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--dir", type=Path, help="folder of the CSV files")
    parser.add_argument("--windows", type=Path, help="labels; default: windows.json in the folder")
    parser.add_argument("--synthetic", type=int, metavar="SEED", help="score made-up series instead")
    parser.add_argument("--series", type=int, default=70, help="how many are made up")
    parser.add_argument("--list", action="store_true", help="add the figures of each series")
    asked = parser.parse_args()
    if asked.synthetic is not None:
        recordings = [draw_recording(asked.synthetic, index) for index in range(asked.series)]
        source = f"synthetic, seed {asked.synthetic}"
    elif asked.dir is None:
        print(
            "No recorded series were named, so none were scored: give their folder with --dir and their "
            "labels with --windows, or take made-up series with --synthetic 1000.",
            file=sys.stderr,
        )
        return 2
    else:
        try:
            recordings = read(asked.dir, asked.windows or asked.dir / "windows.json")
        except (OSError, ValueError, KeyError) as error:
            print(f"The recorded series cannot be read ({error}); nothing was scored.", file=sys.stderr)
            return 2
        source = str(asked.dir)
    detectors = {"lumina": _recorded, "fixed_rule": fixed_rule}
    figures: dict[str, Any] = {}
    for name, flagger in detectors.items():
        begin = time.process_time()
        scores = [score(recording, flagger(recording.points)) for recording in recordings]
        points = sum(len(recording.points) for recording in recordings)
        figures[name] = total(scores) | {
            "us_per_point": round((time.process_time() - begin) / points * 1e6, 1)
        }
        if asked.list:
            figures[name]["series"] = {
                recording.name: total([of]) for recording, of in zip(recordings, scores, strict=True)
            }
    report = {
        "bench": "series",
        "source": source,
        "series": len(recordings),
        "points": sum(len(recording.points) for recording in recordings),
        "windows": sum(len(recording.windows) for recording in recordings),
        "detectors": figures,
        "machine": facts(),
    }
    print(json.dumps(report))
    return 0


@dataclass
class Score:
    """What became of one series."""

    true: int = 0  # incidents
    true_at_once: int = 0  # ... whose first flag lies inside a window
    false: int = 0
    windows: int = 0
    found: int = 0
    delays: list[float] = field(default_factory=list)  # share of the window that had gone by


def score(recording: Recording, flagged: Iterable[int]) -> Score:
    """Score the flags (indexes of points) of one series."""
    points, windows = recording.points, recording.windows
    unscored = min(int(UNSCORED_SHARE * len(points)), UNSCORED_POINTS)
    incidents: list[list[float]] = []
    for at_s in sorted(points[index][0] for index in flagged if index >= unscored):
        if incidents and at_s - incidents[-1][-1] < MERGE_S:
            incidents[-1].append(at_s)
        else:
            incidents.append([at_s])
    made = Score(windows=len(windows))
    for incident in incidents:
        inside = any(begin <= at_s <= end for at_s in incident for begin, end in windows)
        made.true += inside
        made.false += not inside
        made.true_at_once += any(begin <= incident[0] <= end for begin, end in windows)
    for begin, end in windows:
        first = next((at_s for incident in incidents for at_s in incident if begin <= at_s <= end), None)
        if first is not None:
            made.found += 1
            made.delays.append((first - begin) / max(end - begin, 1.0))
    return made


def total(scores: list[Score]) -> dict[str, Any]:
    """The figures over several series."""
    incidents = sum(of.true + of.false for of in scores)
    windows = sum(of.windows for of in scores)
    precision = sum(of.true for of in scores) / incidents if incidents else None
    recall = sum(of.found for of in scores) / windows if windows else None
    delays = [delay for of in scores for delay in of.delays]
    return {
        "precision": _rounded(precision),
        "recall": _rounded(recall),
        "f1": _rounded(2 * precision * recall / (precision + recall) if precision and recall else 0.0),
        "delay_share_of_window_p50": _rounded(median(delays) if delays else None),
        "incidents": incidents,
        "true": sum(of.true for of in scores),
        "true_from_their_first_flag": sum(of.true_at_once for of in scores),
        "windows": windows,
        "windows_found": sum(of.found for of in scores),
    }


def fixed_rule(points: Points) -> list[int]:
    """Values above 1.2 times the p95 of the last 1,000."""
    recent: deque[float] = deque()
    ordered: list[float] = []
    flagged: list[int] = []
    for index, (_, value) in enumerate(points):
        count = len(ordered)
        if count >= FIXED_LEAST and value > FIXED_RATIO * ordered[int(FIXED_QUANTILE * (count - 1))]:
            flagged.append(index)
        if count >= FIXED_LAST:
            del ordered[bisect_left(ordered, recent.popleft())]
        recent.append(value)
        insort(ordered, value)
    return flagged


def read(folder: Path, labels: Path) -> list[Recording]:
    """The labelled series of a folder, by name. Raises ValueError for what is no such file."""
    windows: dict[str, list[list[str]]] = json.loads(labels.read_text(encoding="utf-8"))
    recordings = []
    for name, spans in sorted(windows.items()):
        with (folder / name).open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            points = sorted((_seconds(row["timestamp"]), float(row["value"])) for row in rows)
        labelled = [(_seconds(begin), _seconds(end)) for begin, end in spans]
        recordings.append(Recording(name, points, labelled))
    if not recordings:
        raise ValueError(f"{labels} names no series")
    return recordings


def _recorded(points: Points) -> list[int]:
    detector = Recorded()
    flagged: list[int] = []
    for index, (at_s, value) in enumerate(points):
        verdict = detector.take(at_s, value)
        if verdict is not None and verdict.deviates:
            flagged.append(index)
    return flagged


def _seconds(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


if __name__ == "__main__":
    sys.exit(main())
