"""`lumina normalise`: what Lumina makes of captured OTLP, without any server."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from lumina_api.text import plain
from lumina_schemas.span import Span
from lumina_streams.core.content.logs import LogContent, normalise_logs, with_content
from lumina_streams.core.otlp import (
    Undecodable,
    decode_logs,
    decode_logs_json,
    decode_traces,
    decode_traces_json,
)
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.core.span.traces import settled

FIELDS = tuple(name for name in Span.__struct_fields__ if name not in ("v", "src"))
"""What is printed: every field of a span but its place in a topic."""

_encode = msgspec.json.Encoder().encode


class Unreadable(ValueError):
    """A file that holds no OTLP, in words for whoever gave it."""


class Read:
    """Spans and log content of several files, and what could not be kept of them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.contents: list[LogContent] = []
        self.rejected: list[tuple[str, int]] = []
        self._messages = 0
        self._prices = PriceBook()

    def add(self, path: Path) -> None:
        """Take in one file. Raises Unreadable or OSError."""
        body = path.read_bytes()
        try:
            for signal, request in _requests(path.name, body):
                self._messages += 1
                landing = Landing("file", "otlp" if signal == "traces" else "otlp-logs", 0, self._messages)
                if signal == "logs":
                    self.contents += normalise_logs(request, landing)
                    continue
                made = normalise(request, landing, self._prices)
                self.spans += made.spans
                self.rejected += [(rejected.reason, rejected.spans) for rejected in made.rejected]
        except Undecodable as error:
            raise Unreadable(str(error)) from error

    def settled(self) -> list[Span]:
        """All spans by start, as one stream: logs joined, every call once."""
        contents: dict[tuple[str, str], list[LogContent]] = {}
        for content in self.contents:
            contents.setdefault((content.trace_id, content.span_id), []).append(content)
        spans = []
        for span in self.spans:
            for content in contents.get((span.trace_id, span.span_id), ()):
                span = with_content(span, content)
            spans.append(span)
        return sorted(settled(spans, self._prices), key=lambda span: (span.start_ns, span.span_id))


def _requests(name: str, body: bytes) -> Iterator[tuple[str, Any]]:
    """(signal, request) of a file: protobuf by its name, else JSON, one request or one a line."""
    if name.endswith(".pb"):
        if name.endswith(".logs.pb"):
            yield "logs", decode_logs(body)
        else:
            yield "traces", decode_traces(body)
        return
    text = body.strip()
    if not text.startswith(b"{"):
        raise Unreadable("It is neither *.pb nor JSON.")
    for document in [text] if _is_document(text) else text.splitlines():
        if document.strip():
            if b'"resourceLogs"' in document or b'"resource_logs"' in document:
                yield "logs", decode_logs_json(document)
            else:
                yield "traces", decode_traces_json(document)


def _is_document(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return b"\n" not in text
    return True


def lines(spans: Iterable[Span]) -> Iterator[bytes]:
    """Each span as one JSON object with all its fields; null, empty text or list where nothing is known."""
    for span in spans:
        yield _encode({name: getattr(span, name) for name in FIELDS})


def normalise_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="*.otlp.pb, *.logs.pb, or OTLP/JSON (one request, or one a line). All are one stream."
        ),
    ],
) -> None:
    """Print what Lumina makes of captured OTLP: one normalised, priced span a line, as JSON.

    Needs no server. Log records are joined to their spans; of several spans of one call one is `priced`.
    """
    read = Read()
    unread = 0
    for path in files:
        try:
            read.add(path)
        except (OSError, Unreadable) as error:
            why = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
            print(f"{path}: cannot be read: {plain(why, 300)}. Its neighbours are.", file=sys.stderr)
            unread += 1
    for reason, spans in read.rejected:
        print(f"{spans} spans left out: {reason}.", file=sys.stderr)
    for line in lines(read.settled()):
        sys.stdout.write(line.decode() + "\n")
    if unread:
        raise typer.Exit(1)
