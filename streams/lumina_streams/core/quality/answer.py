"""An answer as detection sees it: words, format, script, JSON shape."""

import re
import unicodedata
from typing import Any

import msgspec

from lumina_streams.core.series.call import Call

HEAD_CHARS = 2000  # what is looked at of a long answer: both ends
TAIL_CHARS = 1000
HEAD_WORDS = 256
TAIL_WORDS = 128
SCRIPT_CHARS = 400  # of the beginning tell the script
JSON_CHARS = 64_000  # longer texts are not parsed
JSON_PATHS = 256

# Scripts that write no spaces: each character is a word (Han, kana, Thai, Lao, Khmer, Myanmar).
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}\U00020000-\U0003ffff]").search
_WORDS = re.compile(f"[{_UNSPACED}\U00020000-\U0003ffff]|[^\\s{_UNSPACED}\U00020000-\U0003ffff]+").findall

_IS_JSON_LIKE = re.compile(r"\s*(?:```\w*\s*)?[{\[]").match
_HAS_LETTER = re.compile("[A-Za-z]").search

_SCRIPTS = (
    ("latin", re.compile("[A-Za-z\u00c0-\u024f]")),
    ("han", re.compile("[\u3400-\u9fff\uf900-\ufaff]")),
    ("kana", re.compile("[\u3040-\u30ff]")),
    ("hangul", re.compile("[\u1100-\u11ff\uac00-\ud7af]")),
    ("cyrillic", re.compile("[\u0400-\u04ff]")),
    ("arabic", re.compile("[\u0600-\u06ff]")),
    ("hebrew", re.compile("[\u0590-\u05ff]")),
    ("devanagari", re.compile("[\u0900-\u097f]")),
    ("greek", re.compile("[\u0370-\u03ff]")),
    ("thai", re.compile("[\u0e00-\u0e7f]")),
)

_FORMAT = (b"\n", b"*", b"#", b"`", b"|", b"?", b":")
_NO_FORMAT = bytes(set(range(256)).difference(*_FORMAT))


class Answer:
    """One answer's text, cut to both ends where it is long."""

    __slots__ = ("_paths", "_script", "code", "cut", "format", "text", "words")

    def __init__(self, text: str) -> None:
        self.cut = len(text) > HEAD_CHARS + TAIL_CHARS
        if self.cut:
            text = text[:HEAD_CHARS] + "\n" + text[-TAIL_CHARS:]
        self.text = text
        self.words = split_words(text)
        """Words in order, first 256 and last 128; characters where a script has no spaces."""
        self.code = ""
        """The words as a `Vocabulary` writes them, once it has."""
        self.format = _format_of(text)
        """How often each mark of layout occurs."""
        self._script: str | None = None
        self._paths: frozenset[str] | None = None

    @property
    def script(self) -> str:
        """The script most letters of the beginning are of; empty where there are none."""
        if self._script is None:
            self._script = script_of(self.text[:SCRIPT_CHARS])
        return self._script

    @property
    def paths(self) -> frozenset[str]:
        """Key paths and types of a JSON object or array, such as `.items[].id:int`; empty for other text."""
        if self._paths is None:
            self._paths = json_paths(self.text) if not self.cut and _IS_JSON_LIKE(self.text) else frozenset()
        return self._paths


def _format_of(text: str) -> list[int]:
    """Counts of the layout marks. All that is no mark is dropped first: little is left to count in."""
    marks = text.encode("utf-8", "surrogatepass").translate(None, _NO_FORMAT)
    if not marks:
        return [0, 0, 0, 0, 0, 0, 0, text.count("- ")]
    return [*(marks.count(mark) for mark in _FORMAT), text.count("- ")]


def split_words(text: str) -> list[str]:
    """First 256 and last 128 words of a text."""
    if text.isascii():
        words = text.split()
    else:
        text = unicodedata.normalize("NFC", text)
        words = _WORDS(text) if _HAS_UNSPACED(text) else text.split()
    if len(words) > HEAD_WORDS + TAIL_WORDS:
        words = words[:HEAD_WORDS] + words[-TAIL_WORDS:]
    return words


def script_of(text: str) -> str:
    """The script that most letters of a text are of; empty where there are none."""
    if text.isascii():
        return "latin" if _HAS_LETTER(text) else ""
    counts = [(len(pattern.findall(text)), name) for name, pattern in _SCRIPTS]
    most, name = max(counts)
    return name if most else ""


def json_paths(text: str) -> frozenset[str]:
    """Key paths and types of a JSON text; empty where it is none."""
    try:
        return frozenset(_paths(msgspec.json.decode(unfenced(text))))
    except (ValueError, RecursionError):
        return frozenset()


def unfenced(text: str) -> str:
    """The inside of a Markdown code fence, or the text itself, without space around it."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") : -3].strip()
    return text


def is_json(text: str) -> bool | None:
    """Whether a text is a JSON object or array; None where it is too long to look."""
    if len(text) > JSON_CHARS:
        return None
    if not _IS_JSON_LIKE(text):
        return False
    text = unfenced(text)
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def _paths(value: Any) -> set[str]:
    found: set[str] = set()
    todo: list[tuple[str, Any]] = [("", value)]
    while todo and len(found) < JSON_PATHS:
        path, node = todo.pop()
        if isinstance(node, dict):
            todo += [(f"{path}.{key}", child) for key, child in node.items()]
            if not node:
                found.add(path + ":object")
        elif isinstance(node, list):
            todo += [(path + "[]", child) for child in node[:16]]
            if not node:
                found.add(path + ":array")
        else:
            found.add(f"{path}:{type(node).__name__}")
    return found


def answer_text(call: Call) -> str | None:
    """What a call answered: its texts, or the tools it asked for; None where nothing was captured.

    An empty string means that the answer is known to be empty.
    """
    texts: list[str] = []
    captured = False
    for message in call.output_messages:
        for part in message.parts:
            if part.type == "text" and part.content is not None:
                captured = True
                if part.content:
                    texts.append(part.content)
    if texts:
        return texts[0] if len(texts) == 1 else "\n".join(texts)
    if call.tool_calls:
        return " ".join(f"tool:{tool.name}" for tool in call.tool_calls)
    if captured or (call.input_messages and call.output_tokens is not None and call.output_tokens <= 1):
        return ""
    return None
