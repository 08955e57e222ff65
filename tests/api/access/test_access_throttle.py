"""Failed logins are slowed, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from lumina_api.access.throttle import FORGOTTEN_S, FREE, LONGEST_S, MOST_ADDRESSES, Throttle


def failed(times: int, address: str = "192.0.2.1", at_s: float = 0.0) -> Throttle:
    throttle = Throttle()
    for _ in range(times):
        throttle.failed(address, at_s)
    return throttle


def test_each_failure_beyond_the_first_doubles_the_wait() -> None:
    waits = [failed(times).wait_s("192.0.2.1", 0.0) for times in range(FREE + 8)]
    assert waits == [0] * FREE + [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_wait_ends_a_success_ends_it_and_so_does_time() -> None:
    throttle = failed(FREE + 1)
    assert throttle.wait_s("192.0.2.1", 1.0) == 1
    assert throttle.wait_s("192.0.2.1", 2.0) == 0
    throttle.succeeded("192.0.2.1")
    assert throttle.wait_s("192.0.2.1", 0.0) == 0
    throttle = failed(FREE + 4)
    throttle.failed("192.0.2.1", FORGOTTEN_S + 1)
    assert throttle.wait_s("192.0.2.1", FORGOTTEN_S + 1) == 0


def test_others_are_not_slowed_and_a_network_of_ipv6_is_one() -> None:
    throttle = failed(20, "2001:db8::1")
    assert throttle.wait_s("2001:db8::ffff:2", 0.0) == LONGEST_S
    assert throttle.wait_s("2001:db8:0:1::1", 0.0) == 0
    assert throttle.wait_s("192.0.2.1", 0.0) == 0
    throttle = failed(20, "::ffff:192.0.2.1")
    assert throttle.wait_s("::ffff:192.0.2.2", 0.0) == 0


def test_memory_is_bounded() -> None:
    throttle = failed(20)
    for number in range(MOST_ADDRESSES + 50):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1.0)
    assert len(throttle._failures) == MOST_ADDRESSES


@given(st.text(), st.integers(0, 2000), st.floats(0, 1e9))
def test_any_address_is_slowed_within_bounds(address: str, times: int, at_s: float) -> None:
    throttle = Throttle()
    for _ in range(min(times, 50)):
        throttle.failed(address, at_s)
    assert 0 <= throttle.wait_s(address, at_s) <= LONGEST_S + 1
