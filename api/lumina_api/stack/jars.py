"""Kafka's jars: fetched by Maven coordinate, verified against the lock, kept in one cache for every use.

Each jar is asked for by its exact coordinate, without dependency resolution: resolving would mix versions.
The hash of every jar is checked at each start, so what runs is what was pinned.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from lumina_api.stack.lock import Jar, Lock

# Registries limit connections a client; more brought nothing on a 100 Mbit line.
CONNECTIONS = 6
ATTEMPTS = 3
TIMEOUT_S = 30
LEFTOVER_S = 3600

# Where requests looks for certificates, in its order.
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class JarError(RuntimeError):
    """A jar could not be had, or is not the one that was pinned."""


def cache_folder(chosen: Path | None) -> Path:
    """Folder that keeps downloads across data folders: the chosen one, else `lumina` in the user's."""
    if chosen:
        return chosen.absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lumina"


def class_path(lock: Lock, cache: Path, say: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Paths of all jars of the lock, verified; missing or damaged ones are fetched first.

    `say` is told once when something is to be fetched. Raises JarError where a jar cannot be fetched or
    what was fetched is not what the lock pins.
    """
    missing = [jar for jar in lock.jars if digest(cache / jar.path) != jar.sha256]
    if missing:
        say(f"Fetching Apache Kafka {lock.kafka_version} ({len(missing)} jars, once) into {cache}")
        fetch(missing, cache)
    return [cache / jar.path for jar in lock.jars]


def digest(path: Path) -> str | None:
    """sha256 (hex) of a file's bytes, None where there is no file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def fetch(jars: list[Jar], cache: Path) -> None:
    """Fetch jars into the cache. Each appears there whole and verified or not at all; raises JarError."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for left in cache.glob(".fetch-*"):  # by a fetch that was killed
            if time.time() - left.stat().st_mtime > LEFTOVER_S:
                shutil.rmtree(left, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=".fetch-", dir=cache))
    except OSError as error:
        raise JarError(
            f"Kafka's jars cannot be stored: {error}. Set LUMINA_CACHE_DIR to a writable folder."
        ) from error
    settings = GlobalSettings.load()
    context = MavenContext(
        repo_cache=work,
        # A site's own mirrors come first: where they exist, the public registry is often out of reach.
        remote_repos=settings.repositories | {"central": MAVEN_CENTRAL_URL},
        timeout=TIMEOUT_S,
    )
    try:
        with _certificates(), ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(partial(_fetch_one, context, cache), jars))
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _certificates() -> Iterator[None]:
    """Have requests trust what SSL_CERT_FILE names, for a `with` block: behind a proxy that opens TLS, that
    variable is often the only one set, and requests does not know it.
    """
    certificates = os.environ.get("SSL_CERT_FILE")
    if not certificates or any(os.environ.get(name) for name in CERTIFICATES):
        yield
        return
    before = os.environ.get(CERTIFICATES[0])
    os.environ[CERTIFICATES[0]] = certificates
    try:
        yield
    finally:
        if before is None:
            del os.environ[CERTIFICATES[0]]
        else:
            os.environ[CERTIFICATES[0]] = before


def _fetch_one(context: MavenContext, cache: Path, jar: Jar) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            fetched = Path(artifact.resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
            (context.repo_cache / jar.path).unlink(missing_ok=True)  # half a file would be taken for the jar
            if attempt == ATTEMPTS:
                raise JarError(
                    f"{jar.coordinate} could not be fetched: {error}. The local Kafka needs it once: check "
                    "the network and proxy, or set KAFKA_BOOTSTRAP_SERVERS to a cluster of yours."
                ) from error
            continue
        found = digest(fetched)
        if found == jar.sha256:
            target = cache / jar.path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(fetched, target)
            return
        fetched.unlink(missing_ok=True)
        if attempt == ATTEMPTS:
            raise JarError(
                f"{jar.coordinate} is not the file that Lumina pins: its sha256 is {found}, expected "
                f"{jar.sha256}. It was not used. A proxy or mirror may have changed it: fetch from "
                "another network, or set KAFKA_BOOTSTRAP_SERVERS to a cluster of yours."
            )
