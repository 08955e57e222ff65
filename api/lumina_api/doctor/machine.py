"""What the doctor sees of this machine."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from lumina_schemas.settings import Settings


@dataclass(frozen=True)
class MachineFacts:
    """Room on disk where the views lie, and memory; bytes."""

    folder: Path
    free_bytes: int
    available_memory: int


def machine_facts(settings: Settings) -> MachineFacts:
    """Look at the disk of the views' file, or of the nearest folder above it that exists."""
    folder = (settings.views_path or settings.data_dir / "views.duckdb").absolute().parent
    while not folder.exists():
        folder = folder.parent
    return MachineFacts(folder, shutil.disk_usage(folder).free, psutil.virtual_memory().available)
