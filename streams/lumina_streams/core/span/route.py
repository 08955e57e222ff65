"""Names of endpoints without the ids in them: `/users/123/orders/9f8e7d6c` becomes `/users/{id}/orders/{id}`.

Where a framework tells its route, it is a template already and stays as it is. Where only a raw path is
there, each customer would be a series of their own, none with enough calls for a baseline.
"""

import re
from functools import lru_cache

MAX_CHARS = 200
"""An endpoint is a name; a sender that puts a text there must not bloat every key."""

ID = "{id}"
REST = "/…"
"""What stands for the segments of a path that is too long."""

_MAX_REMEMBERED = 20_000

_PATH = re.compile(r"(?:[A-Z]{3,7} )?/|[a-z][a-z0-9+.-]*://")
_QUERY = re.compile(r"\?(?!/).*|#.*", re.DOTALL)
"""`/:a?/b` is an optional part of a template, not a query."""

_TEMPLATE = re.compile(r"[{}<>\[\]()*$^\\]|^:")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"[0-9]+(?:[-_:,][0-9]+)*")
_LONG_NUMBER = re.compile(r"[0-9]{6,}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")
_NUMBERED = re.compile(r"([A-Za-z]+[-_])[0-9]{5,}")
_HEX = re.compile(r"(?:0x)?(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{8,}")
_MAIL = re.compile(r"[^@\s]+(?:@|%40)[^@\s]+\.[^@\s]+")
_ENDING = re.compile(r"([.:][A-Za-z][A-Za-z0-9]{0,19})$")
_ALNUM = re.compile(r"[A-Za-z0-9]+")
_PIECES = re.compile(r"[A-Za-z0-9_-]+")
_CHANGES = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")

LONG = 16
"""Characters from which letters and digits in turn are an id, not a word with a number."""


@lru_cache(maxsize=_MAX_REMEMBERED)
def templated(name: str) -> str:
    """The name with `{id}` for each id in it; at most MAX_CHARS long.

    In a path (`/...`, `GET /...`, `https://...`) a segment is an id where it is a number, a UUID, hexadecimal
    of 8 and more, letters and digits in turn (ULID, base 62), a date or an address of e-mail; its query
    goes. In other names only what can be nothing else is: somebody chose the names `answer-2` and `step/3`.
    Idempotent. Two names of letters alone are never made one.
    """
    if name.isalpha():
        return name[:MAX_CHARS]
    if _PATH.match(name) is None:
        return "/".join(_segment(segment, path=False) for segment in name[:MAX_CHARS].split("/"))[:MAX_CHARS]
    name = _shortened(_QUERY.sub("", name))
    return _shortened("/".join(_segment(segment, path=True) for segment in name.split("/")))


def _shortened(path: str) -> str:
    """A path with fewer than MAX_CHARS characters, cut between segments: half an id looks like none."""
    if len(path) < MAX_CHARS:
        return path
    return path[: MAX_CHARS - len(REST)].rpartition("/")[0] + REST


def _segment(segment: str, path: bool) -> str:
    """A segment, or what stands for it."""
    if not segment or segment.isalpha() or _TEMPLATE.search(segment):
        return segment
    if path:
        segment = segment.partition(";")[0]
    if _is_id(segment, path):
        return ID
    if path and (ending := _ENDING.search(segment)) and _is_id(segment[: ending.start()], path):
        return ID + ending[0]
    if "-" in segment and _UUID.search(segment):
        return _UUID.sub(ID, segment)
    if path and (numbered := _NUMBERED.fullmatch(segment)):
        return numbered[1] + ID
    return segment


def _is_id(segment: str, path: bool) -> bool:
    if _LONG_NUMBER.fullmatch(segment) or _HEX.fullmatch(segment) or _UUID.fullmatch(segment):
        return True
    if _MAIL.fullmatch(segment) or (len(segment) >= LONG and _is_mixed(segment)):
        return True
    return path and (_NUMBER.fullmatch(segment) is not None or _MOMENT.fullmatch(segment) is not None)


def _is_mixed(segment: str) -> bool:
    """Whether letters and digits alternate as chance does it, not as words do.

    Of a random text of base 36 or 62 every second or third character is followed by one of another class.
    `claude-3-5-sonnet-20241022` and `getHTMLForURL` are words.
    """
    whole = _ALNUM.fullmatch(segment) is not None
    if not whole and not _PIECES.fullmatch(segment):
        return False
    numbered = any("0" <= one <= "9" for one in segment)
    needed = (0.2 if whole else 0.3) if numbered else 0.4
    return len(_CHANGES.findall(segment)) >= needed * len(segment)
