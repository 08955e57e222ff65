"""The command as a person meets it when something is in the way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.demo.receiver import Receiver
from lumina_api.stack.ports import free_port


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with closing(Receiver()) as running:
        yield running


def run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """`lumina demo` where no stack runs: neither REST nor Kafka answer."""
    env = os.environ | {
        "LUMINA_DATA_DIR": str(folder),
        "LUMINA_PORT": str(free_port()),
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", "lumina_api.demo", *options],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_it_plays_without_rest_and_kafka(tmp_path: Path, receiver: Receiver) -> None:
    """Spans are what it is for; what it cannot show it says once."""
    result = run(tmp_path, "--endpoint", receiver.url, "--duration", "0.5", "--rate", "20")
    assert result.returncode == 0, result.stderr
    assert "history is sent unasked" in result.stdout
    assert "answers are not shown" in result.stdout
    assert "could not be sent" not in result.stdout
    assert len(receiver.spans()) > 5_000
    assert "Traceback" not in result.stderr


def test_a_receiver_that_refuses_is_said_in_words(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 404
    result = run(tmp_path, "--endpoint", receiver.url)
    assert result.returncode == 1
    assert "No spans can be sent to" in result.stderr
    assert "404" in result.stderr
    assert "--endpoint" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_address_that_is_none_is_said_in_words(tmp_path: Path) -> None:
    result = run(tmp_path, "--endpoint", "not an address")
    assert result.returncode == 1
    assert "No spans can be sent to" in result.stderr
    assert "Traceback" not in result.stderr


def test_removal_without_kafka_is_said_in_words(tmp_path: Path) -> None:
    result = run(tmp_path, "--remove")
    assert result.returncode == 1
    assert "Nothing was removed" in result.stderr
    assert "Traceback" not in result.stderr
