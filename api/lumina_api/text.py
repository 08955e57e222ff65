"""Hostile text made fit for a terminal."""

MARK = "\N{MIDDLE DOT}"


def plain(text: str, limit: int = 0) -> str:
    """Text on one line without anything a terminal would obey, cut at `limit` characters (0: not cut).

    White space of any kind becomes one space, other characters that do not print (escape sequences'
    introducers, C0 and C1 controls, bidirectional overrides, lone surrogates) a middle dot.
    """
    line = " ".join(text[: limit * 4 or None].split())
    line = "".join(c if c.isprintable() else MARK for c in line)
    return line[: limit - 1] + "…" if limit and len(line) > limit else line
