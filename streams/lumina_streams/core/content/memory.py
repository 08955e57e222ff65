"""Recent prompts and answers that came in logs, waiting for the spans that they belong to.

Content usually comes before its span. What comes after it, or on another worker, reaches the views as a
`content` line and is merged there: this memory only lets detection see what it can, it holds nothing back.
"""

from collections import OrderedDict

from lumina_schemas.span import Message, Span
from lumina_streams.core.content.logs import LogContent, with_content

MAX_SPANS = 5_000
MAX_CHARS = 20_000_000

Key = tuple[str, str, str]


class ContentMemory:
    """Content by (project, trace id, span id), and the series of recent spans; both bounded, oldest out."""

    def __init__(self) -> None:
        self._contents: OrderedDict[Key, tuple[LogContent, int]] = OrderedDict()
        self._series: OrderedDict[Key, str] = OrderedDict()
        self._chars = 0

    def add(self, content: LogContent) -> str:
        """Keep content for its span. Returns the span's series where the span has passed already, else ""."""
        key = (content.project, content.trace_id, content.span_id)
        series = self._series.get(key)
        if series is not None:
            return series
        if known := self._contents.get(key):
            content = known[0].joined(content)
        self._forget(key)
        chars = len(content.system) + _chars(content.input_messages) + _chars(content.output_messages)
        self._contents[key] = (content, chars)
        self._chars += chars
        while self._contents and (len(self._contents) > MAX_SPANS or self._chars > MAX_CHARS):
            self._forget(next(iter(self._contents)))
        return ""

    def joined(self, span: Span) -> Span:
        """The span with the content that came before it, if any."""
        key = (span.project, span.trace_id, span.span_id)
        self._series[key] = span.series_id
        if len(self._series) > MAX_SPANS:
            self._series.popitem(last=False)
        found = self._contents.get(key)
        if found is None:
            return span
        self._forget(key)
        return with_content(span, found[0])

    def _forget(self, key: Key) -> None:
        if entry := self._contents.pop(key, None):
            self._chars -= entry[1]


def _chars(messages: tuple[Message, ...]) -> int:
    return sum(len(part.content or "") for message in messages for part in message.parts)
