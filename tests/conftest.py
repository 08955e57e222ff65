"""The one broker of the test suite, and fresh topics on it for each test.

The broker is, in this order: the cluster of KAFKA_BOOTSTRAP_SERVERS, Apache Kafka in Docker where an engine
answers, else the same local Apache Kafka that `lumina up` runs. Tests never skip for want of a broker.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lumina_api.provision import provision, remove
from lumina_api.stack.broker import Broker, properties, running_broker, wait_until_up
from lumina_api.stack.environment import environment
from lumina_api.stack.lock import read_lock
from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings

pytest.register_assert_rewrite("corpus.truth")

# Captured and invented traffic is of days long past: views would not take it.
os.environ.setdefault("LUMINA_RETENTION_DAYS", "0")

PARTITIONS = 4


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Kafka."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
    elif docker_answers():
        with running_in_docker() as bootstrap_servers:
            yield bootstrap_servers
    else:
        with running_broker(tmp_path_factory.mktemp("kafka")) as broker:
            yield broker.bootstrap_servers


@pytest.fixture
async def settings(kafka: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings with a prefix of the test's own, whose topics exist with 4 partitions and go afterwards."""
    fresh = Settings(
        kafka_bootstrap_servers=kafka,
        topic_prefix=f"t{uuid.uuid4().hex[:10]}.",
        partitions=PARTITIONS,
        replication=1 if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ else -1,
        data_dir=tmp_path / "data",
    )
    await provision(fresh)
    yield fresh
    await remove(fresh)


@pytest.fixture
def child_env(settings: Settings) -> dict[str, str]:
    """Environment in which a child process reads the test's settings; its ports are the test's to choose."""
    return environment(settings)


def docker_answers() -> bool:
    """Whether a Docker engine can be used from here."""
    import docker

    # The socket first: the client leaks its own where nobody listens.
    where = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    unix = where.scheme == "unix"
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as probe:
        probe.settimeout(3)
        try:
            probe.connect(where.path if unix else (where.hostname, where.port or 2375))
        except OSError:
            return False
    client = docker.from_env(timeout=5)  # type: ignore[attr-defined]
    try:
        return bool(client.ping())
    finally:
        client.close()


@contextmanager
def running_in_docker() -> Iterator[str]:
    """The same Kafka, with the same settings, in a container; gives its bootstrap servers."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = DockerContainer(f"apache/kafka:{read_lock().kafka_version}").with_bind_ports(port, port)
    for name, value in properties(port, 29093, "/tmp/kafka", host="0.0.0.0").items():
        container.with_env(f"KAFKA_{name.replace('.', '_').upper()}", value)
    with container:
        broker = Broker(Path("/tmp/kafka"), port, ())
        asyncio.run(wait_until_up(broker))
        yield broker.bootstrap_servers
