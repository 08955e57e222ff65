"""The local Kafka for real: its data survives a changed port and kill -9, and it needs nothing installed."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from lumina_api.provision import provision
from lumina_api.stack.broker import Broker, BrokerError, prepare, running_broker
from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings

TOPIC = "lumina.alerts"


def settings_of(broker: Broker) -> Settings:
    return Settings(kafka_bootstrap_servers=broker.bootstrap_servers, partitions=4, replication=1)


async def write(broker: Broker, value: bytes) -> None:
    await provision(settings_of(broker))
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(TOPIC, value, key=b"id", partition=1)


async def read(broker: Broker) -> list[bytes]:
    async with AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers, enable_auto_commit=False
    ) as consumer:
        partition = TopicPartition(TOPIC, 1)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        count = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(count)]


def test_data_survives_restart_on_another_port_and_kill(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    with running_broker(folder) as broker:
        first = broker.port
        cluster = (folder / "log" / "meta.properties").read_text()
        asyncio.run(write(broker, b"one"))

    with running_broker(folder, free_port()) as broker:
        assert broker.port != first
        assert asyncio.run(read(broker)) == [b"one"]
        asyncio.run(write(broker, b"two"))
        processes = _brokers_on(folder)
        assert len(processes) == 1
        processes[0].kill()
        processes[0].wait(10)

    with running_broker(folder) as broker:
        assert asyncio.run(read(broker)) == [b"one", b"two"]
    assert (folder / "log" / "meta.properties").read_text() == cluster


def _brokers_on(folder: Path) -> list[psutil.Process]:
    """Children that work on a folder; the suite's own broker, on another one, is none of them."""
    return [child for child in psutil.Process().children() if str(folder) in " ".join(child.cmdline())]


def test_needs_neither_java_nor_docker_nor_maven_on_the_path(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lumina_api.stack.broker import running_broker\n"
        "with running_broker(Path(sys.argv[1])) as broker: print(broker.bootstrap_servers)"
    )
    env = {
        k: v for k, v in os.environ.items() if k not in ("JAVA_HOME", "M2_HOME", "MAVEN_HOME", "CLASSPATH")
    }
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "kafka")],
        env=env | {"PATH": str(tmp_path / "nothing")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("127.0.0.1:")


def test_every_listener_is_on_loopback_only(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    with running_broker(folder):
        (java,) = _brokers_on(folder)
        listening = [c.laddr for c in java.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert len(listening) == 2
        assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_folder_that_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="LUMINA_DATA_DIR"):
        prepare(tmp_path / "file" / "kafka", 1, 2)
