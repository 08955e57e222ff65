"""Requests and answers that stand on a span as JSON: names and usage that no attribute of their own says."""

import re
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from lumina_schemas.mapping.content import (
    ANSWER_IN,
    FINISH_REASON_TEXT,
    GENERIC,
    MODEL_IN,
    RESPONSE_ID_TEXT,
    RESPONSE_MODEL_TEXT,
)
from lumina_schemas.mapping.usage import USAGE_OBJECTS
from lumina_streams.core.content.finish import finish_reasons
from lumina_streams.core.content.messages import Messages
from lumina_streams.core.span.attributes import Reading, name_of

_DUMPS = GENERIC | {*MODEL_IN, *ANSWER_IN}
_FINISH_REASON = re.compile(FINISH_REASON_TEXT)
_RESPONSE_ID = re.compile(RESPONSE_ID_TEXT)
_RESPONSE_MODEL = re.compile(RESPONSE_MODEL_TEXT)


STREAM = '"stream"'
"""How a dumped request says whether it asked for a stream."""


class _Choice(Struct):
    finish_reason: Any = None


class _Dump(Struct):
    """The part of a dumped request or response that names things; everything else is skipped."""

    id: Any = None
    response_id: Any = None
    model: Any = None
    model_name: Any = None
    model_version: Any = None
    usage_metadata: Any = None
    stream: Any = None
    usage: Any = None
    status: Any = None
    choices: list[_Choice] | None = None


_dump = msgspec.json.Decoder(_Dump)


class Dumped(NamedTuple):
    """What only the dumped request or response of a call says."""

    request_model: str = ""
    response_model: str = ""
    response_id: str = ""
    streaming: bool = False
    reasons: tuple[str, ...] = ()


NO_DUMP = Dumped()


def dumped_in(reading: Reading, outputs: Messages) -> Dumped:
    """Read the request and answer that stand on the span as JSON; usage found there goes into `reading`."""
    dumps = {key: value for _, _, key, value in reading.content if key in _DUMPS and isinstance(value, str)}
    request = model = answer_id = ""
    reasons: tuple[str, ...] = ()
    streaming = False
    for key in MODEL_IN:
        text = reading.other.get(key) or dumps.get(key)
        if request and (streaming or not isinstance(text, str) or STREAM not in text):
            continue  # nothing more to learn from it
        dump = _decoded(text)
        if dump is not None:
            request = request or name_of(dump.model) or name_of(dump.model_name)
            streaming = streaming or dump.stream is True
    for key in ANSWER_IN:
        text = dumps.get(key)
        dump = _decoded(text)
        if text is None or dump is None:
            continue
        if isinstance(dump.id, str) or isinstance(dump.response_id, str):
            answer_id = name_of(dump.id) or name_of(dump.response_id)
            model = name_of(dump.model) or name_of(dump.model_version)
        else:
            ids = _RESPONSE_ID.findall(text)  # a response holds messages with ids of their own
            answer_id = next((found for found in ids if found.startswith("resp")), ids[0] if ids else "")
            match = _RESPONSE_MODEL.search(text)
            model = name_of(dump.model_version) or (match[1] if match is not None else "")
            match = _FINISH_REASON.search(text)
            reasons = finish_reasons(match[1]) if match is not None else ()
        if isinstance(dump.usage, dict) and isinstance(billed := dump.usage.get("billed_units"), dict):
            # Cohere: what is billed is less than what was read.
            reading.fields |= {
                name: billed[name] for name in ("input_tokens", "output_tokens") if name in billed
            }
        if isinstance(dump.usage, dict):
            reading.objects.append((len(USAGE_OBJECTS), dump.usage))
        if isinstance(dump.usage_metadata, dict):
            reading.objects.append((len(USAGE_OBJECTS), dump.usage_metadata))
        if dump.choices:
            reasons = finish_reasons([choice.finish_reason for choice in dump.choices])
        elif isinstance(dump.status, str):
            asked = any(part.type == "tool_call" for message in outputs for part in message.parts)
            reasons = ("tool_calls",) if asked else finish_reasons(dump.status)
    return Dumped(request, model, answer_id, streaming, reasons)


def _decoded(text: Any) -> _Dump | None:
    if not isinstance(text, str) or not text.startswith("{"):
        return None
    try:
        return _dump.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
