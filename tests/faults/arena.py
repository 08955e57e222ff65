"""Where an attack happens: topics of its own on a real Kafka, and Lumina's processes on them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.stack import Stack
from faults.broker import OwnKafka
from faults.proxy import Proxy
from lumina_api.provision import provision, remove
from lumina_api.stack.environment import environment
from lumina_schemas.settings import Settings

PARTITIONS = 4


@dataclass
class Arena:
    """One attack's surroundings. `broker` and `proxy` are there for attacks that asked for their own."""

    settings: Settings
    stack: Stack
    folder: Path
    broker: OwnKafka | None = None
    proxy: Proxy | None = None
    thorough: bool = False
    """Whether faults last as long as the promise names (`make faults`), or shorter (the test suite)."""


@asynccontextmanager
async def arena(
    folder: Path, kafka: str | None, *, thorough: bool = False, **overrides: object
) -> AsyncIterator[Arena]:
    """Fresh topics on `kafka` (bootstrap servers), or on a broker of its own where that is None.

    Everything that the attack started is stopped at the end, and its topics are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as end:
        broker = proxy = None
        if kafka is None:
            # The proxy needs the broker's port and the broker the proxy's: the proxy comes first.
            proxy = await end.enter_async_context(Proxy(0))
            broker = OwnKafka(folder / "kafka", advertised=proxy.port)
            proxy.target = broker.broker.port
            end.callback(broker.kill)
            await broker.start()
        settings = Settings(
            kafka_bootstrap_servers=kafka or broker.bootstrap_servers,  # type: ignore[union-attr]
            topic_prefix=f"f{uuid.uuid4().hex[:10]}.",
            partitions=PARTITIONS,
            replication=-1,
            data_dir=folder / "data",
        ).model_copy(update=overrides)
        await provision(settings)
        if kafka is not None:
            end.push_async_callback(remove, settings)
        stack = Stack(settings, environment(settings), folder)
        end.callback(stack.stop)
        yield Arena(settings, stack, folder, broker, proxy, thorough)
