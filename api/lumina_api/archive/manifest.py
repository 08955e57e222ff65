"""What an archive says of itself, and what of it is checked before any of it is used."""

from typing import Literal

import msgspec
from msgspec import Struct

ARCHIVE_VERSION = 1
FILE = "manifest.json"

Part = Literal["settings", "marks", "spans", "scores", "corrections", "alerts"]

PARTS: tuple[Part, ...] = ("settings", "marks", "spans", "scores", "corrections", "alerts")
"""Files of an archive, `<part>.ndjson`, in the order in which they are imported: rules hold for what
follows.
"""

GROUPS: dict[str, tuple[Part, ...]] = {
    "traces": ("spans", "scores", "corrections"),
    "alerts": ("alerts",),
    "settings": ("settings", "marks"),
}
"""What people ask for, and the files that it is in."""


class FileFacts(Struct, frozen=True):
    """One file: its records (lines) and the SHA-256 of its bytes."""

    records: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """`manifest.json`."""

    v: int  # ARCHIVE_VERSION
    made_at: str  # RFC 3339
    cluster: str  # Kafka's id of the cluster that it was taken from
    prefix: str  # LUMINA_TOPIC_PREFIX there
    partitions: int  # of lumina.spans there
    since_ns: int | None = None  # traces and alerts from here on; None: all that the log held
    secrets: bool = False  # whether keys and webhooks are in it
    left_out: dict[str, int] = {}  # what was not taken along, by reason
    files: dict[Part, FileFacts]


class BrokenArchive(ValueError):
    """The archive cannot be used; what is wrong with it, and what to do."""


def parsed(text: bytes) -> Manifest:
    """The manifest in a text. Raises BrokenArchive."""
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BrokenArchive(f"{FILE} is none of Lumina's: {error}.") from error
    if manifest.v != ARCHIVE_VERSION:
        raise BrokenArchive(
            f"The archive has version {manifest.v}, this release reads {ARCHIVE_VERSION}. Use the release "
            f"that made it."
        )
    return manifest
