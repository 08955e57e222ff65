"""Files of the repository made from code: `make schemas` writes them, `make lint` finds those that differ."""

import sys
from argparse import ArgumentParser
from pathlib import Path


def run(files: dict[Path, str], arguments: list[str] | None = None) -> int:
    """Write `files` (path to whole text), or with `--check` only compare. Returns an exit status.

    Paths are relative to the repository's root, where the command has to be run.
    """
    parser = ArgumentParser(description="Generated files of the repository; run in its root.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file differs")
    check = parser.parse_args(arguments).check
    differing = drift(files)
    if check and differing:
        names = ", ".join(str(path) for path in differing)
        print(f"Differs from the code: {names}. Run `make schemas` and commit the result.", file=sys.stderr)
        return 1
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
        print(f"wrote {path}")
    return 0


def drift(files: dict[Path, str]) -> list[Path]:
    """The files that are missing or hold another text."""
    return [
        path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
