"""Names and texts of others as part of a sentence: one line, bounded, no markup, no control characters."""

import re
import unicodedata

_MARKUP = str.maketrans({"<": "\u2039", ">": "\u203a", "`": "'", "\\": "/"})
_LINK = re.compile(r"\](?=[(\[])")  # Markdown's [text](address) needs them side by side
_PAGE = re.compile(r"@(?=(?:here|channel|everyone)\b)")  # what calls a whole chat room together
_FAR = 4  # a character can be dropped or become a space: look at so many times the asked length


def plain(text: str, chars: int) -> str:
    """`text` in at most `chars` characters, made harmless for terminals, chats and pages."""
    shown = "".join(" " if _is_hidden(char) else char for char in text[: chars * _FAR])
    shown = _PAGE.sub("(at)", _LINK.sub("] ", " ".join(shown.split()).translate(_MARKUP)))
    if len(shown) > chars or len(text) > chars * _FAR:
        shown = shown[: chars - 1] + "\u2026"
    return shown


def _is_hidden(char: str) -> bool:
    """Control, format (also those that turn the direction of writing), private, unassigned, separators."""
    return unicodedata.category(char)[0] in "CZ"
