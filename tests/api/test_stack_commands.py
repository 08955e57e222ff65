"""`lumina status`, `down` and `reset` as a person calls them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lumina_api.stack.folder import NotOurs, check, contents, empty
from lumina_api.stack.process import process_of
from lumina_api.stack.state import LOCK, Ports, StackState, hold, read_state, running_state, write_state


def lumina(folder: Path, *words: str, answer: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LUMINA_", "KAFKA_"))}
    return subprocess.run(
        [sys.executable, "-c", "from lumina_api.cli import app; app()", *words],
        env=clean | {"LUMINA_DATA_DIR": str(folder)} | env,
        input=answer,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that a stack has used."""
    folder = tmp_path / "data"
    (folder / "kafka" / "log").mkdir(parents=True)
    (folder / "views.duckdb").write_text("rows")
    (folder / LOCK).touch()
    return folder


def state_of(folder: Path, *pids: int) -> StackState:
    records = [process_of(f"p{pid}", pid) for pid in pids]
    return StackState(
        ready=True,
        host="127.0.0.1",
        ports=Ports(19151, 19152, 19153, 19154, 19155),
        kafka="127.0.0.1:19155",
        data_dir=str(folder),
        topic_prefix="lumina.",
        processes=tuple(record for record in records if record),
    )


def test_reset_names_the_folder_asks_and_empties_it(folder: Path) -> None:
    declined = lumina(folder, "reset", answer="n\n")
    assert declined.returncode == 1
    assert f"{folder} holds: kafka, views.duckdb" in declined.stdout
    assert (folder / "views.duckdb").exists()
    accepted = lumina(folder, "reset", answer="y\n")
    assert accepted.returncode == 0
    assert contents(folder) == []


def test_reset_with_yes_does_not_ask_and_follows_no_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (folder / "link").symlink_to(tmp_path / "precious")
    done = lumina(folder, "reset", "--yes")
    assert done.returncode == 0, done.stderr
    assert contents(folder) == []
    assert (tmp_path / "precious" / "file").exists()


def test_reset_refuses_while_a_stack_runs(folder: Path) -> None:
    with hold(folder) as held:
        assert held
        done = lumina(folder, "reset", "--yes")
    assert done.returncode == 1
    assert "lumina down" in done.stderr
    assert (folder / "views.duckdb").exists()


def test_reset_never_touches_a_cluster_of_the_users_own(folder: Path) -> None:
    done = lumina(folder, "reset", "--yes", KAFKA_BOOTSTRAP_SERVERS="kafka.example:9092")
    assert done.returncode == 1
    assert "kafka.example:9092" in done.stderr
    assert (folder / "views.duckdb").exists()


def test_reset_refuses_folders_that_are_not_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = folder / "kafka"
    with pytest.raises(NotOurs, match="no data folder"):
        check(stranger)
    (folder / ".git").mkdir()
    with pytest.raises(NotOurs, match="no data folder"):
        check(folder)
    (folder / ".git").rmdir()
    check(folder)
    monkeypatch.setenv("HOME", str(folder))
    with pytest.raises(NotOurs, match="home or working folder"):
        check(folder)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.chdir(folder / "kafka")
    with pytest.raises(NotOurs, match="home or working folder"):
        check(folder)
    empty(stranger)
    assert list(stranger.iterdir()) == []


def test_down_ends_what_is_recorded_and_forgets_it(folder: Path) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleep) as one, subprocess.Popen(sleep) as two:
        try:
            write_state(folder, state_of(folder, one.pid, two.pid))
            done = lumina(folder, "down")
            assert done.returncode == 0, done.stderr
            assert one.wait(10) != 0
            assert two.wait(10) != 0
        finally:
            one.kill()
            two.kill()
    assert done.stdout == f"Stopped: p{one.pid}, p{two.pid}.\n"
    assert read_state(folder) is None
    again = lumina(folder, "down")
    assert again.returncode == 0
    assert f"No stack runs on {folder}" in again.stdout


def test_status_of_nothing_and_of_a_stack_that_does_not_answer(folder: Path) -> None:
    nothing = lumina(folder, "status")
    assert nothing.returncode == 1
    assert f"No stack runs on {folder}" in nothing.stderr
    write_state(folder, state_of(folder, os.getpid()))
    deaf = lumina(folder, "status")
    assert deaf.returncode == 1
    assert "is not ready" in deaf.stdout
    assert "Kafka does not answer" in deaf.stdout
    assert str(os.getpid()) in deaf.stdout
    assert "Traceback" not in deaf.stderr


def test_a_state_file_of_another_version_or_of_the_dead_is_no_running_stack(folder: Path) -> None:
    write_state(folder, state_of(folder))
    assert running_state(folder) is None
    (folder / "stack.json").write_text('{"v": 99}')
    assert read_state(folder) is None
    assert running_state(folder / "none") is None


def test_a_wrong_setting_is_named(folder: Path) -> None:
    done = lumina(folder, "status", LUMINA_PORT="eighty")
    assert done.returncode == 1
    assert done.stderr.startswith("LUMINA_PORT is 'eighty'")
    assert "Traceback" not in done.stderr
