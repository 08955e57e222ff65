"""The lock file of the local Kafka: which jars, which versions, which contents. Text in, records out."""

import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

LOCK_NAME = "kafka.lock"

_COORDINATE = re.compile(r"[\w.-]+:[\w.-]+:[\w.-]+")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")


class LockError(ValueError):
    """The lock file is missing or says something that cannot be understood."""


@dataclass(frozen=True)
class Jar:
    """One pinned jar: Maven group, artifact and version, and the sha256 of its bytes (hex)."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """Maven coordinate, `group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def path(self) -> Path:
        """Path inside a folder of Maven layout."""
        return Path(
            *self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar"
        )


@dataclass(frozen=True)
class Lock:
    """Everything the local Kafka is made of: the Java runtime's wheel (`name==version`) and the jars."""

    jre: str
    jars: tuple[Jar, ...]

    @property
    def kafka_version(self) -> str:
        """Version of Apache Kafka itself."""
        return next(jar.version for jar in self.jars if jar.artifact == "kafka-server")


def lock_path() -> Path:
    """Where the lock file lies: docker/ of the repository, or the data folder of an installed wheel."""
    checked_out = Path(__file__).parents[3] / "docker" / LOCK_NAME
    installed = Path(sysconfig.get_path("data"), "share", "lumina", LOCK_NAME)
    return checked_out if checked_out.exists() else installed


def read_lock(path: Path | None = None) -> Lock:
    """Read and check a lock file; raises LockError with the line that is wrong."""
    path = path or lock_path()
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise LockError(f"The list of Kafka's jars cannot be read: {error}. Reinstall Lumina.") from error
    return parse_lock(text, str(path))


def parse_lock(text: str, name: str = LOCK_NAME) -> Lock:
    """Parse `jre NAME==VERSION` and `jar GROUP:ARTIFACT:VERSION sha256:HEX` lines; `#` starts a comment."""
    jre = ""
    jars: list[Jar] = []
    for number, line in enumerate(text.splitlines(), 1):
        match line.partition("#")[0].split():
            case []:
                continue
            case ["jre", wheel]:
                jre = wheel
            case ["jar", coordinate, digest] if _COORDINATE.fullmatch(coordinate) and (
                found := _SHA256.fullmatch(digest)
            ):
                group, artifact, version = coordinate.split(":")
                jars.append(Jar(group, artifact, version, found[1]))
            case _:
                raise LockError(f"{name}, line {number} is no `jre` or `jar` line: {line.strip()[:200]}")
    if not jre or not any(jar.artifact == "kafka-server" for jar in jars):
        raise LockError(
            f"{name} names no Java runtime or no kafka-server: it is incomplete. Reinstall Lumina."
        )
    return Lock(jre, tuple(jars))
