"""What a running stack says of itself: one file that `status`, `tail`, `down` and a second `up` read.

The lock file beside it is held as long as the stack runs and released by the kernel however it ends. A
state file whose supervisor is gone is a leftover: its processes are what the next `up` ends first.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from lumina_api.stack.process import Process, find
from lumina_schemas.settings import Settings

STATE = "stack.json"
LOCK = "stack.lock"


class Ports(Struct, frozen=True):
    """Ports the stack listens on; `kafka` and `controller` are 0 where the cluster is the user's own.

    `health` and `actor` are the pages of the stream and the actor worker.
    """

    api: int
    otlp_http: int
    otlp_grpc: int
    health: int
    actor: int
    kafka: int = 0
    controller: int = 0


class StackState(Struct, frozen=True, kw_only=True):
    """A stack: where it listens, what it is made of. `ready` once every part can do its work."""

    v: int = 1
    ready: bool
    host: str  # address that clients use
    ports: Ports
    kafka: str  # bootstrap servers
    data_dir: str
    topic_prefix: str
    generation: int = 1
    processes: tuple[Process, ...]  # the supervisor first

    def told(self, settings: Settings) -> Settings:
        """Settings that reach this stack's topics."""
        return settings.model_copy(
            update={
                "kafka_bootstrap_servers": self.kafka,
                "topic_prefix": self.topic_prefix,
                "generation": self.generation,
            }
        )

    @property
    def api(self) -> str:
        """URL of REST and dashboard."""
        return f"http://{self.host}:{self.ports.api}"

    @property
    def otlp_http(self) -> str:
        """URL for OTEL_EXPORTER_OTLP_ENDPOINT over HTTP."""
        return f"http://{self.host}:{self.ports.otlp_http}"

    @property
    def otlp_grpc(self) -> str:
        """URL for OTEL_EXPORTER_OTLP_ENDPOINT over gRPC."""
        return f"http://{self.host}:{self.ports.otlp_grpc}"

    @property
    def local_kafka(self) -> bool:
        """Whether the stack runs its own broker."""
        return self.ports.kafka != 0


class Announcement(Struct, frozen=True, kw_only=True):
    """The one line of `lumina up --json`."""

    api: str
    otlp_http: str
    otlp_grpc: str
    kafka: str
    data_dir: str
    topic_prefix: str
    ports: Ports
    pids: dict[str, int]


def announcement(state: StackState) -> bytes:
    """`lumina up --json`'s line for a stack."""
    return msgspec.json.encode(
        Announcement(
            api=state.api,
            otlp_http=state.otlp_http,
            otlp_grpc=state.otlp_grpc,
            kafka=state.kafka,
            data_dir=state.data_dir,
            topic_prefix=state.topic_prefix,
            ports=state.ports,
            pids={process.name: process.pid for process in state.processes},
        )
    )


def write_state(data_dir: Path, state: StackState) -> None:
    """Replace the state file at once: a reader sees the old or the new one."""
    draft = data_dir / f"{STATE}.new"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
    os.replace(draft, data_dir / STATE)


def read_state(data_dir: Path) -> StackState | None:
    """The state file, None where there is none or it cannot be understood (another version's)."""
    try:
        return msgspec.json.decode((data_dir / STATE).read_bytes(), type=StackState)
    except (OSError, msgspec.DecodeError):
        return None


def remove_state(data_dir: Path) -> None:
    """Forget a stack that has ended."""
    (data_dir / STATE).unlink(missing_ok=True)


def running_state(data_dir: Path) -> StackState | None:
    """State of the stack that runs on this data folder now; None where none runs."""
    # By its process, not by the lock: taking that for a moment could keep a starting stack out.
    state = read_state(data_dir)
    return state if state and state.processes and find(state.processes[0]) else None


@contextlib.contextmanager
def hold(data_dir: Path) -> Iterator[bool]:
    """Hold the data folder for the length of a `with` block; gives False where somebody else holds it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / LOCK).open("ab") as file:  # never inherited by children: Python opens close-on-exec
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def of_running_stack(settings: Settings) -> Settings:
    """The settings, with Kafka's address and the topics of the stack that runs here, if one does.

    An address that the user gave wins.
    """
    if settings.kafka_bootstrap_servers:
        return settings
    state = running_state(settings.data_dir)
    return settings if state is None else state.told(settings)
