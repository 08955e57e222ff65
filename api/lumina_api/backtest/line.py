"""A line of recorded calls, read as generously as can be: what is not there is taken from where it stands.

`lumina normalise` prints such lines, without `v`, `src` and `type`; other tools leave out more.
"""

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from lumina_schemas.partition import series_id
from lumina_schemas.source import Source
from lumina_streams.core.series.call import Call

NOWHERE = Source("file", "otlp", 0, 0, 0)

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class RecordedCall(Call, frozen=True, kw_only=True, tag_field="type", tag="span"):
    """A call of which only the start must be there."""

    src: Source = NOWHERE
    series_id: str = ""
    project: str = "default"
    service: str = "unknown"
    endpoint: str = ""
    trace_id: str = ""
    span_id: str = ""
    duration_ms: float = 0.0
    kind: str = "llm"


class _Tagged(Struct):
    """As much of a line as tells what it is."""

    type: str = "span"


class _Given(Struct):
    """Whether a line says if its span is a call that counts."""

    priced: bool | None = None


_decode = msgspec.json.Decoder(RecordedCall).decode
_decode_any = msgspec.json.Decoder(dict[str, Any]).decode
_decode_tag = msgspec.json.Decoder(_Tagged).decode
_decode_given = msgspec.json.Decoder(_Given).decode

_series_id = lru_cache(maxsize=65_536)(series_id)

_WHOLE = ("start_ns", "input_tokens", "cache_read_tokens", "output_tokens")


def read_call(line: bytes, number: int) -> Call | None:
    """The call in a line, whose number stands for ids that it does not have; None: it is content, no call.

    Raises one of UNREADABLE.
    """
    try:
        call = _decode(line)
    except msgspec.ValidationError:
        if _decode_tag(line).type != "span":
            return None
        call = _loosely(line)
    if not call.series_id:
        force_setattr(call, "series_id", _series_id(call.project, call.service, call.endpoint))
    if not call.span_id:
        force_setattr(call, "span_id", f"{number:016x}")
    if call.src is NOWHERE:
        force_setattr(call, "src", Source("file", "otlp", 0, number, 0))
    if not call.priced and call.cost_usd is not None and not call.candidate and not call.duplicate_of:
        # A roll-up says so; who says nothing has calls alone.
        force_setattr(call, "priced", _decode_given(line).priced is None)
    return call


def _loosely(line: bytes) -> RecordedCall:
    """A line whose types are not quite right: null for what is not known, whole numbers with a point."""
    given = {name: value for name, value in _decode_any(line).items() if value is not None}
    for name in _WHOLE:
        value = given.get(name)
        if isinstance(value, float) and value.is_integer():
            given[name] = int(value)
    return msgspec.convert(given, RecordedCall, strict=False)
