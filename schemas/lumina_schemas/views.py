"""The views' SQL, loaded from `views.sql`: the schema, the statements, and the pieces they are made of."""

import re
from functools import cache
from hashlib import sha256
from importlib.resources import files

_PART = re.compile(r"^-- part: (\S+)\n", re.MULTILINE)

# Comments stay in the file: what a statement takes in at a {mark} may have several lines.
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)


@cache
def parts() -> dict[str, str]:
    """Every part of `views.sql` by its name."""
    text = files("lumina_schemas").joinpath("views.sql").read_text(encoding="utf-8")
    _, *rest = _PART.split(text)
    names, bodies = rest[::2], rest[1::2]
    if len(set(names)) != len(names):
        raise ValueError("views.sql names a part twice")
    return {name: _COMMENT.sub("", body).strip() for name, body in zip(names, bodies, strict=True)}


def part(name: str) -> str:
    """One part of `views.sql`. KeyError where there is none of that name."""
    return parts()[name]


@cache
def version() -> str:
    """Names the schema: a file that carries another version is built anew from the log."""
    return sha256(part("schema").encode()).hexdigest()[:16]
