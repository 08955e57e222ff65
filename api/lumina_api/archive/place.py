"""Where an archive lies: a folder, or a tar file (`.tar`, `.tar.gz`) that holds one.

A tar is unpacked beside itself for the length of an import, and packed from such a folder at the end of an
export:
its files are read twice, first for their checksums.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from lumina_api.archive.manifest import FILE, PARTS, BrokenArchive, FileFacts, Manifest, Part, parsed

ENDINGS = (".tar", ".tar.gz", ".tgz")
PIECE_BYTES = 1 << 20
NAMES = frozenset({FILE, *(f"{part}.ndjson" for part in PARTS)})
MODE = 0o600
"""Prompts and answers are in it, and perhaps the hashes of keys: for its owner alone."""


def is_tar(path: Path) -> bool:
    """Whether a path names a tar file."""
    return path.name.endswith(ENDINGS)


@contextmanager
def making(path: Path) -> Iterator[Path]:
    """A folder to write an archive into, which becomes `path` at the end. Raises BrokenArchive, OSError."""
    if path.exists() and (is_tar(path) or not path.is_dir() or any(path.iterdir())):
        raise BrokenArchive(f"{path} is there already; name a new file, or a new or empty folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as work:
        folder = Path(work) / "archive"
        folder.mkdir(mode=0o700)
        yield folder
        if is_tar(path):
            packed = Path(work) / path.name
            with tarfile.open(packed, "w" if path.name.endswith(".tar") else "w:gz") as tar:
                for file in sorted(folder.iterdir()):
                    tar.add(file, file.name)
            packed.chmod(MODE)
            os.replace(packed, path)
        else:
            if path.exists():
                path.rmdir()
            os.replace(folder, path)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Path, Manifest]]:
    """The folder of an archive, and its manifest, once all of its files are checked. Raises BrokenArchive,
    OSError.
    """
    if not path.exists():
        raise BrokenArchive(f"There is no {path}.")
    if path.is_dir():
        yield path, _checked(path)
        return
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as work:
        folder = Path(work)
        try:
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.isfile() and member.name in NAMES:
                        with (folder / member.name).open("wb") as target:
                            source = tar.extractfile(member)
                            assert source is not None
                            shutil.copyfileobj(source, target, PIECE_BYTES)
        except tarfile.TarError as error:
            raise BrokenArchive(f"{path} is no tar file: {error}.") from error
        yield folder, _checked(folder)


class LineWriter:
    """Writes the lines of one file, counting and hashing them."""

    def __init__(self, folder: Path, part: Part) -> None:
        self._file: IO[bytes] = open(  # noqa: SIM115
            folder / f"{part}.ndjson", "wb", opener=lambda name, flags: os.open(name, flags, MODE)
        )
        self._hash = hashlib.sha256()
        self.records = 0

    def write(self, line: bytes) -> None:
        """Add a line."""
        self._file.write(line + b"\n")
        self._hash.update(line + b"\n")
        self.records += 1

    def close(self) -> FileFacts:
        """See the file onto the disk; returns what it holds."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return FileFacts(self.records, self._hash.hexdigest())


def lines(folder: Path, part: Part) -> Iterator[bytes]:
    """The lines of a file of a checked archive, without their ends."""
    file = folder / f"{part}.ndjson"
    if file.exists():
        with file.open("rb") as opened_file:
            for line in opened_file:
                if text := line.rstrip(b"\n"):
                    yield text


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Finish an archive."""
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (folder / FILE).write_bytes(text + b"\n")


def _checked(folder: Path) -> Manifest:
    file = folder / FILE
    if not file.is_file():
        raise BrokenArchive(f"{folder} is no archive of Lumina's, or not a whole one: it has no {FILE}.")
    manifest = parsed(file.read_bytes())
    for part, facts in manifest.files.items():
        path = folder / f"{part}.ndjson"
        if not path.is_file() or _digest(path) != facts.sha256:
            raise BrokenArchive(
                f"{part}.ndjson is missing or has other contents than {FILE} says: it was cut off or "
                f"changed. "
                "Copy the archive again. (To import a changed one, write its SHA-256 into the manifest.)"
            )
    return manifest


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
