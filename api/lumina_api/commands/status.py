"""`lumina status`: what runs, where it listens, what lies in the topics."""

import asyncio
import time
from dataclasses import dataclass

import psutil
from aiokafka.errors import KafkaError

from lumina_api.inventory import Inventory, take_inventory
from lumina_api.stack.broker import HOST
from lumina_api.stack.plan import ready_over_http
from lumina_api.stack.process import find
from lumina_api.stack.state import StackState
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings

OFFSETS_DEADLINE_S = 10.0


@dataclass(frozen=True)
class Status:
    """A stack's state, and why each server is not ready ("" where it is)."""

    state: StackState
    readiness: dict[str, str]
    inventory: Inventory | None  # None where Kafka does not answer

    @property
    def healthy(self) -> bool:
        """Whether everything can do its work."""
        return self.state.ready and self.inventory is not None and not any(self.readiness.values())


async def status_of(state: StackState, settings: Settings) -> Status:
    """Ask every part of a running stack."""
    probes = {
        "stream": f"http://{HOST}:{state.ports.health}/ready",
        "actor": f"http://{HOST}:{state.ports.actor}/ready",
        "gateway": f"{state.otlp_http}/ready",
        "api": f"{state.api}/ready",
    }
    answers = await asyncio.gather(*(ready_over_http(url)() for url in probes.values()))
    inventory = None
    try:
        async with asyncio.timeout(OFFSETS_DEADLINE_S):
            inventory = await take_inventory(settings)
    except (KafkaError, KafkaSettingsError, OSError):  # TimeoutError is an OSError
        pass
    return Status(state, dict(zip(probes, answers, strict=True)), inventory)


def lines(status: Status) -> list[str]:
    """The status as a person reads it."""
    state = status.state
    result = [
        f"Lumina {'is ready' if status.healthy else 'runs, but is not ready'}. Data: {state.data_dir}",
        "",
        f"{'process':10} {'pid':>7} {'memory':>8} {'up':>9}  state",
    ]
    for process in state.processes:
        live = find(process)
        why = status.readiness.get(process.name, "")
        memory = f"{_memory(live) / 1e6:.0f} MB" if live else "-"
        condition = "gone" if live is None else why or "ready"
        age = f"{time.time() - process.born:.0f} s"
        result.append(f"{process.name:10} {process.pid:>7} {memory:>8} {age:>9}  {condition}")
    result += [
        "",
        f"REST       {state.api}",
        f"OTLP/HTTP  {state.otlp_http}",
        f"OTLP/gRPC  {state.otlp_grpc}",
        f"Kafka      {state.kafka}{' (local)' if state.local_kafka else ''}",
        "",
    ]
    if status.inventory is None:
        return [*result, "Kafka does not answer."]
    result += [
        f"{topic.name:40} {topic.partitions:>3} partitions {topic.records:>10} records"
        for topic in status.inventory.topics
    ]
    result += [f"{lag.group} is {lag.lag} records behind on {lag.topic}" for lag in status.inventory.lags]
    return result


def _memory(live: psutil.Process) -> int:
    try:
        return int(live.memory_info().rss)
    except psutil.Error:
        return 0
