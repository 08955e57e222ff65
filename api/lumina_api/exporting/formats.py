"""Rows in, bytes of a file out, as many at a time as come in: no format needs to hold the whole."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from lumina_schemas.span import Span
from lumina_streams.core.span.rebuilt import requests

# What a spreadsheet takes for a formula when it opens a CSV; tab and return slip past some of them.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

_encode = msgspec.json.Encoder().encode

Pages = Iterable[Sequence[Mapping[str, object]]]


def ndjson(pages: Iterable[Iterable[object]]) -> Iterator[bytes]:
    """A JSON object a line."""
    for page in pages:
        yield b"".join(_encode(item) + b"\n" for item in page)


def otlp(pages: Iterable[Iterable[Span]]) -> Iterator[bytes]:
    """An ExportTraceServiceRequest in OTLP/JSON a line, as the Collector's file exporter writes them."""
    for page in pages:
        yield b"".join(_encode(request) + b"\n" for request in requests(page))


def comma_separated(names: Sequence[str], pages: Pages) -> Iterator[bytes]:
    """CSV in UTF-8 with a line of names. Texts that a spreadsheet would run begin with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    for page in pages:
        writer.writerows([_cell(row.get(name)) for name in names] for row in page)
        yield buffer.getvalue().encode("utf-8", "replace")
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def parquet(schema: pa.Schema, pages: Pages) -> Iterator[bytes]:
    """Parquet, a row group a page."""
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for page in pages:
            columns = [
                pa.array([_held(row.get(field.name), field.type) for row in page], field.type)
                for field in schema
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield sink.take()
    yield sink.take()


class _Sink(io.RawIOBase):
    """Takes a file as it is written, and gives it away piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def _cell(value: object) -> object:
    if isinstance(value, list | dict):
        value = _encode(value).decode()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


def _held(value: object, kind: pa.DataType) -> object:
    return _encode(value).decode() if isinstance(value, list | dict) and kind == pa.string() else value
