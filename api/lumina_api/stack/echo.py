"""A child's lines as a terminal may show them while they come: whole, harmless, never a flood."""

import os
from pathlib import Path

from lumina_api.text import plain

# One look reads no more than this; what a child wrote beyond it since the last look is passed over.
READ_BYTES = 64 * 1024
WIDTH = 500

# A child that logs in a loop gets this many lines a window; the rest is counted, and is in its log.
LINES = 40
WINDOW_S = 10.0


class Echo:
    """Follows one log file, which its child writes to and others may truncate."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._window_began = -WINDOW_S
        self._shown = 0
        self._left_out = 0

    def start(self, position: int) -> None:
        """Go on from a byte of the log: where a new run of the child begins."""
        self._position = position

    def lines(self, now: float, last: bool = False) -> list[str]:
        """What is new, as plain lines. `now` are seconds of a steady clock.

        A line is held back until it is whole, unless this is the `last` look.
        """
        lines: list[str] = []
        if now - self._window_began >= WINDOW_S:
            if self._left_out:
                lines.append(f"... {self._left_out} more lines in {self._path}")
            self._window_began, self._shown, self._left_out = now, 0, 0
        for line in self._new(last):
            if self._shown < LINES:
                lines.append(fit(line))
                self._shown += 1
            else:
                self._left_out += 1
        if last and self._left_out:
            lines.append(f"... {self._left_out} more lines in {self._path}")
            self._left_out = 0
        return lines

    def _new(self, last: bool) -> list[str]:
        try:
            with self._path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._position:  # truncated
                    self._position = 0
                start = max(self._position, size - READ_BYTES)
                file.seek(start)
                text = file.read(READ_BYTES)
        except OSError:
            return []
        skipped = 0
        if start > self._position:  # the rest of a line whose beginning was passed over
            skipped = text.find(b"\n") + 1
        text = text[skipped:]
        end = len(text) if last else text.rfind(b"\n") + 1
        if not end and skipped + len(text) == READ_BYTES:  # one line longer than a look
            end = len(text)
        self._position = start + skipped + end
        return [line for line in text[:end].decode("utf-8", "replace").split("\n") if line.strip()]


def fit(line: str) -> str:
    """A line without control characters, cut to a width; unlike `plain`, columns stay where they are."""
    cut = line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"
    return "  ".join(map(plain, cut.split("  "))).rstrip()
