"""Traffic and a bench for each detection test."""

import pytest

from streams.core.bench import Bench, Traffic


@pytest.fixture
def make_traffic() -> type[Traffic]:
    return Traffic


@pytest.fixture(scope="session")
def traffic_type() -> type[Traffic]:
    return Traffic


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> type[Bench]:
    return Bench


@pytest.fixture
def refusal() -> str:
    return "I'm sorry, but I can't help with that request."
