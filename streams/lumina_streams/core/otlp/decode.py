"""Encoded OTLP requests into messages."""

from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from lumina_streams.core.otlp.document import message_of
from lumina_streams.core.otlp.edit import repaired
from lumina_streams.core.otlp.errors import Undecodable, explained
from lumina_streams.core.otlp.signals import LOGS, TRACES, Signal
from lumina_streams.core.otlp.split import split


class Decoded(NamedTuple):
    """A request and the bytes that it was read from: those that were sent, or their repaired form."""

    request: Any
    body: bytes


def decode(signal: Signal, body: bytes) -> Decoded:
    """Read a request in protobuf; texts that are no UTF-8 are repaired. Raises Undecodable."""
    try:
        return Decoded(signal.request.FromString(body), body)
    except DecodeError:
        pass
    name = signal.descriptor.name
    try:
        better = repaired(body, signal.descriptor)
        if better is not None:
            return Decoded(signal.request.FromString(better), better)
    except DecodeError:
        pass
    except Undecodable as error:
        raise explained(error, name, "protobuf") from error
    raise Undecodable(f"The body is no {name} in protobuf.")


def decode_json(signal: Signal, body: bytes) -> Any:
    """Read a request in OTLP/JSON. Raises Undecodable."""
    try:
        return message_of(body, signal.request)
    except Undecodable as error:
        raise explained(error, signal.descriptor.name, "JSON") from error


def decode_traces(body: bytes) -> Any:
    """ExportTraceServiceRequest in protobuf. Raises Undecodable."""
    return decode(TRACES, body).request


def decode_logs(body: bytes) -> Any:
    """ExportLogsServiceRequest in protobuf. Raises Undecodable."""
    return decode(LOGS, body).request


def decode_traces_json(body: bytes) -> Any:
    """ExportTraceServiceRequest in JSON. Raises Undecodable."""
    return decode_json(TRACES, body)


def decode_logs_json(body: bytes) -> Any:
    """ExportLogsServiceRequest in JSON. Raises Undecodable."""
    return decode_json(LOGS, body)


def split_traces(request: Any, limit_bytes: int) -> list[bytes]:
    """An ExportTraceServiceRequest as encoded requests of at most `limit_bytes` each; see `split`."""
    return split(TRACES, request.SerializeToString(), limit_bytes)


def split_logs(request: Any, limit_bytes: int) -> list[bytes]:
    """An ExportLogsServiceRequest as encoded requests of at most `limit_bytes` each; see `split`."""
    return split(LOGS, request.SerializeToString(), limit_bytes)
