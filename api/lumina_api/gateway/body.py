"""A request's body, read and decompressed piece by piece: no input makes it grow beyond the limit."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from lumina_api.gateway.budget import Hold
from lumina_api.gateway.refusal import Code, Refusal, body_too_large, invalid, unavailable

Receive = Callable[[], Any]

READ_DEADLINE_S = 30.0
"""A client that sends slower than this holds memory of others."""

COUNT_ON_S = 1.0
"""How long a compressed body that finds no room is still counted, to see whether any room would do."""

STEP = 1024 * 1024
"""Bytes decompressed before others have a turn."""

_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Disconnected(Exception):
    """The client went away before its request was complete."""


async def read_body(receive: Receive, encoding: str, limit: int, hold: Hold) -> bytes:
    """The decompressed body of an ASGI request.

    `hold` takes each number of bytes before they are kept. Raises Disconnected; Refusal 413 beyond `limit`,
    400 for damaged or incomplete compression, 415 for an unknown one, 503 where there is no room for it now
    or the client is too slow.
    """
    pieces = _received(receive)
    compressed = encoding not in ("", "identity")
    if compressed:
        if encoding not in _WINDOW_BITS:
            raise Refusal(
                415,
                Code.INVALID_ARGUMENT,
                f"Content-Encoding {encoding[:50]!r} is not supported. Use gzip, deflate or none.",
            )
        pieces = _inflated(pieces, _WINDOW_BITS[encoding])
    kept: list[bytes] = []
    size = 0
    no_room: Refusal | None = None
    try:
        async with asyncio.timeout(READ_DEADLINE_S) as deadline:
            async for piece in pieces:
                size += len(piece)
                if size > limit:
                    raise body_too_large(limit)
                if no_room:
                    continue
                try:
                    hold.take(len(piece))
                except Refusal as refusal:
                    if not compressed:
                        raise
                    # A bomb takes all the room that there is. Told to come again, it would, for ever.
                    no_room = refusal
                    kept.clear()
                    hold.give_back()
                    deadline.reschedule(asyncio.get_running_loop().time() + COUNT_ON_S)
                else:
                    kept.append(piece)
    except TimeoutError as error:
        raise no_room or unavailable(f"The request did not arrive within {READ_DEADLINE_S:.0f} s.") from error
    if no_room:
        raise no_room
    return kept[0] if len(kept) == 1 else b"".join(kept)


async def _received(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        if piece := message.get("body", b""):
            yield piece
        more = message.get("more_body", False)


async def _inflated(pieces: AsyncIterator[bytes], window_bits: int) -> AsyncIterator[bytes]:
    """Decompressed pieces of at most STEP bytes. Gzip may consist of several members, one after another."""
    inflater = zlib.decompressobj(window_bits)
    fresh = True  # at the border of two members, where the input may end
    begun = False
    try:
        async for piece in pieces:
            if not begun and window_bits == 15 and piece[0] & 0x0F != 8:
                inflater = zlib.decompressobj(-15)  # "deflate" is often sent without its zlib header
            begun = True
            while piece:
                out = inflater.decompress(piece, STEP)
                piece, fresh = inflater.unconsumed_tail, False
                if out:
                    yield out
                if inflater.eof:
                    piece, fresh = inflater.unused_data, True
                    if piece and window_bits != 31:
                        raise invalid("Bytes follow the end of the compressed body.")
                    inflater = zlib.decompressobj(31 if window_bits == 31 else -15)
                if len(out) == STEP:
                    await asyncio.sleep(0)
    except zlib.error as error:
        raise invalid("The body is not what Content-Encoding says: decompressing it failed.") from error
    if begun and not fresh:
        raise invalid("The compressed body is incomplete: its end is missing.")
