"""The table of docs/instrumentations.md, made from the captures: what each instrumentation really told.

`python -m corpus.table` writes the page anew; a test holds the page against the captures.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus.normalised import PRICES, normalised
from corpus.truth import lost_in, names, said, truth_of
from lumina_schemas.mapping.instrumentations import content_setting
from lumina_schemas.reference import table, with_table
from lumina_schemas.span import Span
from lumina_streams.core.span.traces import settled

PAGE = Path(__file__).parents[2] / "docs" / "instrumentations.md"
OFF = ("default", "nocontent")
"""Parts of the names of captures made without content."""

Fact = tuple[str, Callable[[dict[str, Any]], Any], Callable[[Span, dict[str, Any]], bool]]


def _usage(call: dict[str, Any], name: str) -> Any:
    return (call.get("usage") or {}).get(name)


FACTS: tuple[Fact, ...] = (
    (
        "content",
        lambda call: call.get("output"),
        lambda span, _: bool(said(span.output_messages) or span.tool_calls),
    ),
    (
        "usage",
        lambda call: not call["error"] and call.get("usage"),
        lambda span, _: span.input_tokens is not None,
    ),
    (
        "cache read",
        lambda call: _usage(call, "cache_read"),
        lambda span, call: span.cache_read_tokens == _usage(call, "cache_read"),
    ),
    (
        "cache write",
        lambda call: _usage(call, "cache_write"),
        lambda span, call: span.cache_write_tokens == _usage(call, "cache_write"),
    ),
    ("of 1 h", lambda call: _usage(call, "cache_write_1h"), lambda span, _: bool(span.cache_write_1h_tokens)),
    (
        "reasoning",
        lambda call: _usage(call, "reasoning"),
        lambda span, call: span.reasoning_tokens == _usage(call, "reasoning"),
    ),
    (
        "first token",
        lambda call: call["stream"] and not call["error"],
        lambda span, _: span.ttft_ms is not None,
    ),
    (
        "response id",
        lambda call: call.get("response_id"),
        lambda span, call: span.response_id == call["response_id"],
    ),
    ("reason", lambda call: call.get("finish_reasons"), lambda span, _: bool(span.finish_reasons)),
)
"""(column, whether a true call has it, whether the span tells it)."""


def rows() -> list[tuple[str, ...]]:
    """One row an instrumentation: what it told of what there was."""
    told: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    versions: dict[str, str] = {}
    scopes: dict[str, str] = {}
    for name in names():
        group = name.partition("-")[0]
        truth = truth_of(name)
        versions[group] = _versions(group, truth.get("versions", {}))
        calls = truth["calls"]
        only = lost_in(name).get("only")
        calls = [calls[index] for index in only] if only is not None else calls
        spans = [span for span in settled(normalised(name), PRICES) if span.priced]
        spans.sort(key=lambda span: span.start_ns)
        told[group]["captures"].append(True)
        for span, call in zip(spans, calls, strict=False):
            scopes.setdefault(group, span.scope)
            for column, has, tells in FACTS:
                if has(call) and not (column == "content" and any(off in name for off in OFF)):
                    told[group][column].append(tells(span, call))
    return [
        (
            f"`{group}`",
            versions[group],
            *(_share(told[group][column]) for column, _, _ in FACTS),
            content_setting(scopes.get(group, "")),
        )
        for group in sorted(told)
    ]


def _share(told: list[bool]) -> str:
    """How often a fact was told where there was one."""
    if not told:
        return ""
    return "yes" if all(told) else "partly" if any(told) else "no"


def _versions(group: str, versions: dict[str, str]) -> str:
    """The packages of a capture that its name speaks of, at most two."""
    words = {word for word in group.replace("-", "_").split("_") if len(word) > 2}
    named = [
        f"{package} {version}"
        for package, version in sorted(versions.items())
        if words & set(package.replace("-", "_").replace("/", "_").replace("@", "").split("_"))
    ]
    return ", ".join(named[:2])


def page() -> str:
    """The whole page with its table made anew."""
    head = ("captures", "versions", *(column for column, _, _ in FACTS), "content is turned on by")
    return with_table(PAGE.read_text(encoding="utf-8"), table(head, rows()))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
