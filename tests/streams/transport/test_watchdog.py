"""The watchdog bites a worker that has work and does not move, and no other."""

import os
from typing import Any

import pytest

from lumina_streams.transport.watchdog import STOP_S, Watchdog


class Ended(Exception):
    """Instead of the end of the test's own process."""


class Subject:
    """What is watched."""

    def __init__(self) -> None:
        self.busy = "3 messages in hand"
        self.done = 0
        self.stopping = False
        self.watchdog = Watchdog(lambda: self.busy, lambda: self.done, lambda: self.stopping, limit_s=5)


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> Subject:
    def end(code: int) -> Any:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    return Subject()


def test_work_without_progress_ends_the_process(subject: Subject) -> None:
    for _ in range(6):
        subject.watchdog.look()
    with pytest.raises(Ended):
        subject.watchdog.look()


def test_progress_however_slow_is_enough(subject: Subject) -> None:
    for look in range(100):
        subject.done = look // 5
        subject.watchdog.look()


def test_nothing_to_do_is_no_stall(subject: Subject) -> None:
    subject.busy = ""
    for _ in range(100):
        subject.watchdog.look()
    subject.busy = "1 message in hand"
    for _ in range(5):
        subject.watchdog.look()
    with pytest.raises(Ended):
        subject.watchdog.look()


def test_a_worker_that_cannot_drain_ends_before_it_is_killed(subject: Subject) -> None:
    subject.busy, subject.stopping = "", True
    for _ in range(int(STOP_S)):
        subject.watchdog.look()
    with pytest.raises(Ended):
        subject.watchdog.look()
