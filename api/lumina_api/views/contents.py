"""Prompts and answers that came in log records of their own, put into the spans that they belong to.

What a span carries itself wins. Several records of one span are taken in the order of their source
positions, each once: a client's retry repeats whole records.
"""

from collections import defaultdict
from collections.abc import Iterable

from lumina_api.views.queries import Row

MESSAGES = ("input_messages", "output_messages")


def merged(spans: Iterable[Row], contents: Iterable[Row]) -> list[Row]:
    """The spans, each with the content that it lacks. `contents` in the order of their source positions."""
    by_span: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for content in contents:
        by_span[_key(content)].append(content)
    return [_filled(span, by_span[key]) if (key := _key(span)) in by_span else span for span in spans]


def _key(row: Row) -> tuple[object, ...]:
    return row["project"], row["trace_id"], row["span_id"]


def _filled(span: Row, contents: list[Row]) -> Row:
    filled = dict(span)
    if not span["system"]:
        filled["system"] = next((content["system"] for content in contents if content["system"]), "")
    for name in MESSAGES:
        if not _items(span[name]):
            texts = dict.fromkeys(_items(content[name]) for content in contents)
            filled[name] = f"[{','.join(text for text in texts if text)}]"
    return filled


def _items(array: object) -> str:
    """What stands between the brackets of a JSON array's text; empty for an absent or empty one."""
    text = array.strip() if isinstance(array, str) else ""
    return text[1:-1].strip() if text.startswith("[") else ""
