"""The lease: who has not been heard of by the group writes nothing, and two of one name do not both go on."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest

from lumina_streams.transport import lease as leases
from lumina_streams.transport.lease import Lease
from lumina_streams.transport.membership import FENCED_INSTANCE_ID, Membership


class Ended(Exception):
    """Instead of the end of the test's own process."""


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def end(code: int) -> Any:
        raise Ended(code)

    monkeypatch.setattr(leases, "moment", lambda: clock.now)
    monkeypatch.setattr(os, "_exit", end)
    return clock


def test_a_lease_lasts_half_a_session_from_when_the_heartbeat_was_sent(clock: Clock) -> None:
    lease = Lease(session_timeout_s=10)
    assert not lease.held
    lease.renew(clock.now)
    clock.now += 4.9
    lease.check()
    lease.renew(clock.now - 3)  # an answer that took three seconds
    clock.now += 2.1
    with pytest.raises(Ended):
        lease.check()


def test_an_older_answer_does_not_shorten_it(clock: Clock) -> None:
    lease = Lease(session_timeout_s=10)
    lease.renew(clock.now)
    lease.renew(clock.now - 4)
    clock.now += 4
    assert lease.held


def answer(code: int) -> Any:
    return SimpleNamespace(error_code=code)


HEARTBEAT = HeartbeatRequest("group", 1, "member")
JOIN = JoinGroupRequest("group", 1, 1, "", "host-0", "consumer", [])
COMMIT = OffsetCommitRequest("group", 1, "member", -1, [])


@pytest.mark.parametrize("code", [0, 27])
def test_a_good_heartbeat_renews(clock: Clock, code: int) -> None:
    lease = Lease(10)
    Membership(lease, "host-0").look(HEARTBEAT, answer(code), clock.now)
    assert lease.held


@pytest.mark.parametrize("code", [15, 16, 22])
def test_a_bad_one_does_not(clock: Clock, code: int) -> None:
    lease = Lease(10)
    Membership(lease, "host-0").look(HEARTBEAT, answer(code), clock.now)
    assert not lease.held


@pytest.mark.parametrize("request_", [HEARTBEAT, JOIN])
@pytest.mark.parametrize("code", [25, FENCED_INSTANCE_ID])
def test_who_is_no_member_any_more_ends(clock: Clock, request_: Any, code: int) -> None:
    with pytest.raises(Ended):
        Membership(Lease(10), "host-0").look(request_, answer(code), clock.now)


def test_a_commit_that_is_refused_to_a_stranger_ends_it(clock: Clock) -> None:
    response = SimpleNamespace(topics=[("t", [(0, 0), (1, 25)])])
    with pytest.raises(Ended):
        Membership(Lease(10), "host-0").look(COMMIT, response, clock.now)


def test_other_answers_are_none_of_its_business(clock: Clock) -> None:
    Membership(Lease(10), "host-0").look(object(), answer(25), clock.now)
