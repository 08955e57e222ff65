"""A real Kafka of a test's own, to be paused, killed and started again."""

import signal
import subprocess
from pathlib import Path

from lumina_api.stack.broker import HOST, Broker, prepare, wait_until_up
from lumina_api.stack.ports import free_port
from lumina_api.stack.process import bound_to_parent
from lumina_schemas.settings import Settings


class OwnKafka:
    """One broker in one folder; its data survives `kill`.

    With `advertised`, clients are sent to that port of loopback: a proxy's.
    """

    def __init__(self, folder: Path, advertised: int = 0) -> None:
        self.broker: Broker = prepare(folder, free_port(), free_port(), cache_dir=Settings().cache_dir)
        self.advertised = advertised or self.broker.port
        config = folder / "server.properties"
        config.write_text(
            config.read_text().replace(
                f"advertised.listeners=PLAINTEXT://{HOST}:{self.broker.port}",
                f"advertised.listeners=PLAINTEXT://{HOST}:{self.advertised}",
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to: the proxy, where there is one."""
        return f"{HOST}:{self.advertised}"

    async def start(self) -> None:
        """Start the broker and wait until it answers."""
        with (self.broker.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(bound_to_parent(self.broker.command), stdout=log, stderr=log)
        await wait_until_up(self.broker)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill -9 and reap; does nothing where it is not running."""
        if self._process:
            self.resume()
            self._process.kill()
            self._process.wait()
            self._process = None
