"""Recorded calls in a file, one JSON object a line, in the order of their end times.

The file is read twice: once to find where each call lies and when it ended, once in that order. Memory holds
three numbers a call, whatever is in it; what comes from a pipe or is compressed goes through a file without a
name.
"""

import gzip
import mmap
import shutil
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import SEEK_CUR, SEEK_END
from itertools import pairwise
from pathlib import Path
from typing import IO, Self, cast

from lumina_api.backtest.line import UNREADABLE, read_call
from lumina_streams.core.series.call import Call

STDIN = "-"
GZIP = b"\x1f\x8b"

Broken = Callable[[int, str], None]
"""Takes the number of a line that cannot be read, from 1, and why."""


class Captured:
    """The calls of a file. For the length of a `with` block; raises OSError."""

    def __init__(self, name: str, broken: Broken) -> None:
        self.lines = 0
        self.others = 0
        """Lines that are no calls: content, empty ones."""
        self._broken = broken
        self._name = name
        self._stack = ExitStack()
        self._data: mmap.mmap | bytes = b""
        self._begins = array("q")
        self._numbers = array("q")
        self._ends_ns = array("q")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            file: IO[bytes] = sys.stdin.buffer
            if self._name != STDIN:
                file = stack.enter_context(Path(self._name).open("rb"))
            head = file.read(len(GZIP)) if file.seekable() else b""
            if file.seekable():
                file.seek(-len(head), SEEK_CUR)
            source = file
            if head == GZIP:
                source = cast(IO[bytes], stack.enter_context(gzip.open(file, "rb")))
            if self._name == STDIN or source is not file or not file.seekable():
                file = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
            if file.seek(0, SEEK_END):  # nothing cannot be mapped
                self._data = stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            self._look()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return len(self._begins)

    def calls(self) -> Iterator[Call]:
        """The calls by their end; of equal ones, the earlier line first."""
        data, begins, numbers = self._data, self._begins, self._numbers
        for place in self._order():
            begin = begins[place]
            end = data.find(b"\n", begin)
            call = read_call(data[begin : end if end >= 0 else len(data)], numbers[place])
            assert call is not None  # it was read before
            yield call

    def _look(self) -> None:
        """Find the calls, and say which lines cannot be read."""
        begin, size = 0, len(self._data)
        while begin < size:
            end = self._data.find(b"\n", begin)
            end = size if end < 0 else end
            self.lines += 1
            line = self._data[begin:end]
            self._note(line, begin)
            begin = end + 1

    def _note(self, line: bytes, begin: int) -> None:
        if not line.strip():
            self.others += 1
            return
        try:
            call = read_call(line, self.lines)
            if call is None:
                self.others += 1
                return
            self._ends_ns.append(call.start_ns + int(call.duration_ms * 1e6))
        except UNREADABLE as error:
            self._broken(self.lines, str(error))
        except (OverflowError, ValueError) as error:
            self._broken(self.lines, f"a time that cannot be: {error}")
        else:
            self._begins.append(begin)
            self._numbers.append(self.lines)

    def _order(self) -> range | list[int]:
        ends_ns = self._ends_ns
        places = range(len(ends_ns))
        if all(one <= next_one for one, next_one in pairwise(ends_ns)):
            return places
        return sorted(places, key=ends_ns.__getitem__)
