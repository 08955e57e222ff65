"""A child's lines on a terminal: all of them, whole, harmless; and never a flood."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_api.stack.echo import LINES, READ_BYTES, WIDTH, WINDOW_S, Echo, fit


def add(path: Path, text: str) -> None:
    with path.open("ab") as file:
        file.write(text.encode())


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_shown(text: str) -> None:
    assert fit(text).isprintable()
    assert len(fit(text)) <= WIDTH


def test_columns_stay_and_controls_go() -> None:
    assert fit("03:19  injected  a/b \x1b[31m(75 s)\r") == "03:19  injected  a/b ·[31m(75 s)"
    assert fit("          alert 1") == "          alert 1"
    assert fit("x" * 2 * WIDTH) == "x" * (WIDTH - 1) + "…"


@given(
    lines=st.lists(st.text("ab é", min_size=1).map(lambda text: text + "."), max_size=LINES),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_lines_are_shown_once_and_whole_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], cuts: list[int]
) -> None:
    path = tmp_path_factory.mktemp("echo") / "a.log"
    echo = Echo(path)
    shown: list[str] = []
    written = "".join(f"{line}\n" for line in lines).encode()
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(written)], strict=True):
        with path.open("ab") as file:
            file.write(written[start:stop])
        shown += echo.lines(0.0)
    assert shown == [fit(line) for line in lines]
    assert echo.lines(0.0, last=True) == []


def test_a_line_without_an_end_is_shown_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    echo = Echo(path)
    assert echo.lines(0.0) == []  # no log yet
    add(path, "one\ntwo")
    assert echo.lines(0.0) == ["one"]
    assert echo.lines(0.0, last=True) == ["two"]


def test_a_new_run_begins_where_it_is_told_and_a_truncated_log_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    add(path, "earlier\n")
    echo = Echo(path)
    echo.start(path.stat().st_size)
    add(path, "a longer line than the next\n")
    assert echo.lines(0.0) == ["a longer line than the next"]
    path.write_text("after\n")
    assert echo.lines(0.0) == ["after"]


def test_a_flood_is_counted_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    echo = Echo(path)
    add(path, "".join(f"{number}\n" for number in range(LINES + 5)))
    assert echo.lines(0.0) == [str(number) for number in range(LINES)]
    add(path, "late\n")
    assert echo.lines(WINDOW_S / 2) == []
    assert echo.lines(WINDOW_S) == [f"... 6 more lines in {path}"]
    add(path, "fresh\n")
    assert echo.lines(WINDOW_S + 1) == ["fresh"]
    add(path, "x\n" * (LINES + 1))
    assert echo.lines(WINDOW_S + 2, last=True)[-1] == f"... 2 more lines in {path}"


def test_what_is_too_much_for_one_look_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    echo = Echo(path)
    add(path, "first\n" + "y" * 2 * READ_BYTES + "\nlast\n")
    assert echo.lines(0.0) == ["last"]
    add(path, "z" * READ_BYTES)
    assert echo.lines(0.0) == ["z" * (WIDTH - 1) + "…"]
    add(path, "next\n")
    assert echo.lines(0.0) == ["next"]
