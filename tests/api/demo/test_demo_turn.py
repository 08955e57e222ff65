"""One demo at a time: the lock, across processes."""

import os
import subprocess
import sys
from pathlib import Path

from lumina_api.demo.turn import stop_other, turn

PLAYER = """
import signal, sys
from pathlib import Path
from lumina_api.demo.turn import turn
with turn(Path(sys.argv[1])) as ours:
    print(ours, flush=True)
    if ours:
        signal.sigwait({signal.SIGTERM})
"""


def player(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n{PLAYER}",
            folder,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )


def says(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_demo_is_refused_while_the_first_plays(tmp_path: Path) -> None:
    with player(tmp_path) as first:
        try:
            assert says(first) == "True"
            with turn(tmp_path) as ours:
                assert not ours
            assert first.poll() is None
        finally:
            first.kill()
    with turn(tmp_path) as ours:  # the kernel let go with the process
        assert ours


def test_the_other_demo_is_asked_to_end(tmp_path: Path) -> None:
    with player(tmp_path) as other:
        try:
            assert says(other) == "True"
            assert stop_other(tmp_path)
            assert other.wait(10) == 0
        finally:
            other.kill()


def test_nobody_is_asked_where_nobody_plays(tmp_path: Path) -> None:
    assert stop_other(tmp_path)
    # A file left behind names a pid that belongs to somebody else by now: it must not be touched.
    (tmp_path / "demo.lock").write_text(str(os.getpid()))
    assert stop_other(tmp_path)


def test_without_a_data_folder_there_is_nothing_to_share(tmp_path: Path) -> None:
    with turn(tmp_path / "missing") as ours:
        assert ours
    assert not (tmp_path / "missing").exists()
