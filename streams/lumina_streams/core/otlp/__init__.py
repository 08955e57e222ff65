"""OTLP requests: decoded, repaired, split. Pure functions over bytes and protobuf messages."""

from lumina_streams.core.otlp.decode import (
    Decoded,
    decode,
    decode_json,
    decode_logs,
    decode_logs_json,
    decode_traces,
    decode_traces_json,
    split_logs,
    split_traces,
)
from lumina_streams.core.otlp.errors import TooComplex, Undecodable
from lumina_streams.core.otlp.ids import id_problem, valid_ids
from lumina_streams.core.otlp.project import DEFAULT_PROJECT, project_named, project_of
from lumina_streams.core.otlp.signals import LOGS, TRACES, Signal
from lumina_streams.core.otlp.split import split
from lumina_streams.core.otlp.wire import MAX_ITEMS

__all__ = [
    "DEFAULT_PROJECT",
    "LOGS",
    "MAX_ITEMS",
    "TRACES",
    "Decoded",
    "Signal",
    "TooComplex",
    "Undecodable",
    "decode",
    "decode_json",
    "decode_logs",
    "decode_logs_json",
    "decode_traces",
    "decode_traces_json",
    "id_problem",
    "project_named",
    "project_of",
    "split",
    "split_logs",
    "split_traces",
    "valid_ids",
]
