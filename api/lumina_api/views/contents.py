"""What spans of the views lack, from where it stands: log records, other spans of the same call, scores.

What a span carries itself wins. Several records of one span are taken in the order of their source
positions, each once: a client's retry repeats whole records.
"""

from collections import defaultdict
from collections.abc import Iterable

import duckdb
import msgspec

from lumina_api.views import queries
from lumina_api.views.columns import array_length
from lumina_api.views.queries import Row
from lumina_schemas.span import Message
from lumina_streams.core.content.logs import once
from lumina_streams.core.content.messages import tool_calls_of
from lumina_streams.core.span.telling import told

_MESSAGES = msgspec.json.Decoder(tuple[Message, ...])

SCORE = ("quality", "quality_tier", "quality_reason")
NO_SCORE: Row = dict.fromkeys(SCORE)

MESSAGES = ("input_messages", "output_messages")


def whole(cursor: duckdb.DuckDBPyConnection, rows: list[Row]) -> list[Row]:
    """The rows with all that is known of them."""
    others = queries.others(cursor, [row for row in rows if row["priced"]])
    ids = [str(row["span_id"]) for row in (*rows, *others)]
    filled = merged([*rows, *others], queries.contents(cursor, ids))
    judged = scored(filled, queries.scores(cursor, filled))
    return told_by(judged[: len(rows)], judged[len(rows) :])


def told_by(rows: Iterable[Row], others: Iterable[Row]) -> list[Row]:
    """The calls among the rows with what other spans of the same call tell."""
    telling: dict[tuple[object, object], list[Row]] = defaultdict(list)
    for other in others:
        telling[other["project"], other["duplicate_of"]].append(other)
    done: list[Row] = []
    for row in rows:
        if row["priced"]:
            for other in telling.get((row["project"], row["span_id"]), ()):
                row = {**row, **told(row, other)}
                if row["quality"] is None:
                    row |= {name: other[name] for name in SCORE}
        done.append(row)
    return done


def scored(spans: Iterable[Row], scores: Iterable[Row]) -> list[Row]:
    """The spans, each with its score; None in all of its fields where it has none."""
    by_span = {_call(score): {name: score[name] for name in SCORE} for score in scores}
    return [{**span, **by_span.get(_call(span), NO_SCORE)} for span in spans]


def merged(spans: Iterable[Row], contents: Iterable[Row]) -> list[Row]:
    """The spans, each with the content that it lacks. `contents` in the order of their source positions."""
    by_span: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for content in contents:
        by_span[_key(content)].append(content)
    return [_filled(span, by_span[key]) if (key := _key(span)) in by_span else span for span in spans]


def _call(row: Row) -> tuple[object, ...]:
    return *_key(row), row["start_ns"]


def _key(row: Row) -> tuple[object, ...]:
    return row["project"], row["trace_id"], row["span_id"]


def _filled(span: Row, contents: list[Row]) -> Row:
    filled = dict(span)
    if not span["system"]:
        filled["system"] = next((content["system"] for content in contents if content["system"]), "")
    for name in MESSAGES:
        texts = dict.fromkeys(_items(content[name]) for content in contents)
        messages = _once(f"[{','.join(text for text in texts if text)}]")
        # A span that some of its records reached in time carries those alone.
        if array_length(messages) > array_length(_text(span[name])):
            filled[name] = messages
    if not _items(span["output_messages"]):
        _tell_answer(filled)
    return filled


def _once(messages: str) -> str:
    """The messages without results of tools that two records tell."""
    if messages.count('"tool_call_response"') < 2:
        return messages
    try:
        return msgspec.json.encode(once(_MESSAGES.decode(messages))).decode()
    except msgspec.MsgspecError:
        return messages


def _tell_answer(row: dict[str, object]) -> None:
    """Fill what an answer that came later tells: the tools that it asks for, and why it ended."""
    try:
        answer = _MESSAGES.decode(str(row["output_messages"]))
    except msgspec.MsgspecError:
        return
    answered = {
        "tool_calls": tool_calls_of(answer),
        "finish_reasons": [message.finish_reason for message in answer if message.finish_reason],
    }
    for name, value in answered.items():
        if value and not _items(row[name]):
            row[name] = msgspec.json.encode(value).decode()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _items(array: object) -> str:
    """What stands between the brackets of a JSON array's text; empty for an absent or empty one."""
    text = array.strip() if isinstance(array, str) else ""
    return text[1:-1].strip() if text.startswith("[") else ""
