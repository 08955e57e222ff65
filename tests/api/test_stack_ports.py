"""Ports: taken ones are seen, named and stood in for."""

import os
import socket
from typing import Any

import pytest

from lumina_api.stack.plan import PortTaken, addresses, client_host, resolved
from lumina_api.stack.ports import FALLBACK_OFFSET, NoPort, choose, free_port, holder, is_free, spare
from lumina_schemas.settings import Settings


@pytest.fixture
def ports() -> dict[str, Any]:
    return {name: free_port() for name in ("port", "otlp_http_port", "otlp_grpc_port", "kafka_port")}


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_a_listening_port_is_not_free_and_its_holder_is_named(bound: str) -> None:
    with socket.create_server((bound, 0)) as server:
        port = server.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        who = holder(port)
        assert who is not None
        assert who.pid == os.getpid()
        assert str(who).endswith(f"(pid {os.getpid()})")
    assert is_free("127.0.0.1", port)
    assert holder(port) is None


def test_a_free_port_is_taken_as_wanted() -> None:
    port = free_port()
    assert choose("127.0.0.1", port).port == port


def test_a_stand_in_is_never_one_reserved_for_another_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        start = port + FALLBACK_OFFSET if port + FALLBACK_OFFSET < 65_000 else 20_000
        choice = choose("127.0.0.1", port, reserved={start})
        assert choice.port not in (port, start)
        assert f"(pid {os.getpid()})" in choice.taken_by


def test_two_of_our_own_that_want_one_port_get_two() -> None:
    choice = choose("127.0.0.1", 19150, reserved={19150})
    assert choice.port != 19150
    assert choice.taken_by == "another part of Lumina"


def test_no_stand_in_is_an_error() -> None:
    with pytest.raises(NoPort, match="has no stand-in"):
        spare("127.0.0.1", 19150, reserved=range(65_536))


def test_the_local_stack_has_its_own_kafka_with_four_partitions(ports: dict[str, Any]) -> None:
    settings = Settings().model_copy(update=ports | {"kafka_bootstrap_servers": ""})
    where = addresses(settings)
    assert where.moved == ()
    assert where.ports.kafka == ports["kafka_port"]
    inside = resolved(Settings(**ports), where.ports)
    assert inside.kafka_bootstrap_servers == f"127.0.0.1:{ports['kafka_port']}"
    assert (inside.partitions, inside.replication) == (4, 1)
    chosen = resolved(Settings(**ports, partitions=9, replication=3), where.ports)
    assert (chosen.partitions, chosen.replication) == (9, 3)


def test_a_cluster_of_the_users_own_needs_no_kafka_port(ports: dict[str, Any]) -> None:
    settings = Settings(**ports, kafka_bootstrap_servers="kafka.example:9092")
    where = addresses(settings)
    assert (where.ports.kafka, where.ports.controller) == (0, 0)
    assert resolved(settings, where.ports).partitions == Settings().partitions


def test_a_number_that_is_no_port_is_an_error(ports: dict[str, Any]) -> None:
    with pytest.raises(PortTaken, match="70000 is no port"):
        addresses(Settings(**(ports | {"kafka_port": 70_000})))


@pytest.mark.parametrize(
    ("host", "expected"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")]
)
def test_clients_get_an_address_that_they_can_use(host: str, expected: str) -> None:
    assert client_host(Settings(host=host)) == expected
