"""The docs' tables of settings and topics, made from the code that they describe.

Flows in: `Settings` and `TOPICS`, and the docs pages as they are. Flows out: the pages, with the table
between their two marks made anew.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lumina_schemas.generated import run
from lumina_schemas.settings import Settings, variable
from lumina_schemas.topics import HOUR_MS, TOPICS, Topic

BEGIN = "<!-- generated: make schemas -->"
END = "<!-- end -->"


def settings_table() -> str:
    """Every setting: environment variable, default, meaning."""
    rows = [
        (f"`{variable(name)}`", _value(info.get_default()), info.description or "")
        for name, info in Settings.model_fields.items()
    ]
    return table(("setting", "default", "meaning"), rows)


def topics_table() -> str:
    """Every topic: what it holds, who writes and reads it, how long it is kept."""
    rows = [
        (
            f"`{topic.name}`",
            topic.purpose + (" (only if asked for)" if topic.optional else ""),
            topic.partitioned_by,
            topic.writer,
            ", ".join(topic.readers),
            _kept(topic),
        )
        for topic in TOPICS
    ]
    return table(("topic", "holds", "partitioned by", "written by", "read by", "kept"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table. Pipes inside cells are escaped."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def with_table(page: str, made: str) -> str:
    """The page with `made` between its marks. ValueError where the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"The page needs the marks {BEGIN} and {END} around its table.")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def files() -> dict[Path, str]:
    """All pages with a generated table: path in the repository to whole text."""
    pages = {Path("docs/settings.md"): settings_table(), Path("docs/topics.md"): topics_table()}
    return {path: with_table(path.read_text(encoding="utf-8"), made) for path, made in pages.items()}


def _value(value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{int(value)}`"
    return f"`{value}`"


def _kept(topic: Topic) -> str:
    if topic.cleanup == "compact":
        return "the last value of each key"
    if topic.retention_ms is None:
        return "as the cluster's default says"
    days = f"{topic.retention_ms // (24 * HOUR_MS)} days"
    return days if topic.cleanup == "delete" else f"the last value of each key, for {days}"


if __name__ == "__main__":
    sys.exit(run(files()))
