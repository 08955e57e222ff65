"""The table of docs/instrumentations.md, made from the captures: what each instrumentation really told.

`python -m corpus.table` writes the page anew; a test holds the page against the captures.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpus.lost import NO_CONTENT, lost_in
from corpus.normalised import PRICES, normalised
from corpus.truth import names, said, truth_of
from lumina_schemas.mapping.instrumentations import ANY_SETTING, content_setting
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
    (
        "session",
        lambda call: call.get("session_id"),
        lambda span, call: span.session_id == call["session_id"],
    ),
    ("user", lambda call: call.get("user_id"), lambda span, call: span.user_id == call["user_id"]),
)
"""(column, whether a true call has it, whether the span tells it)."""


def rows() -> list[tuple[str, ...]]:
    """One row an instrumentation: what it told of what there was."""
    told: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    versions: dict[str, dict[str, str]] = defaultdict(dict)
    scopes: dict[str, Counter[str]] = defaultdict(Counter)
    for name in names():
        group = name.partition("-")[0]
        truth = truth_of(name)
        versions[group] |= truth.get("versions", {})
        whose = {key: truth.get(key) for key in ("session_id", "user_id")}
        calls = [whose | call for call in truth["calls"]]
        lost = lost_in(name)
        off = any(part in name for part in OFF) or NO_CONTENT.items() <= lost.items()
        only = lost.get("only")
        calls = [calls[index] for index in only] if only is not None else calls
        spans = settled(normalised(name), PRICES)
        scopes[group].update(span.scope for span in spans if span.priced or span.duplicate_of)
        spans = sorted((span for span in spans if span.priced), key=lambda span: span.start_ns)
        told[group]["captures"].append(True)
        for span, call in zip(spans, calls, strict=False):
            for column, has, tells in FACTS:
                if has(call) and not (column == "content" and off):
                    told[group][column].append(tells(span, call))
    return [
        (
            f"`{group}`",
            _versions(group, versions[group], scopes[group]),
            *(_share(told[group][column]) for column, _, _ in FACTS),
            _settings(scopes[group]),
        )
        for group in sorted(told)
    ]


def _share(told: list[bool]) -> str:
    """How often a fact was told where there was one."""
    if not told:
        return ""
    return "yes" if all(told) else "partly" if any(told) else "no"


def _settings(scopes: Counter[str]) -> str:
    """What turns content on for the scopes that told of the calls, the one told of most first."""
    found = dict.fromkeys(content_setting(scope) for scope, _ in scopes.most_common())
    return "; ".join(setting for setting in found if setting != ANY_SETTING) or ANY_SETTING


def _versions(group: str, versions: dict[str, str], scopes: Counter[str]) -> str:
    """The packages that the scopes are named after, else those of the capture's name; two at most."""
    named = [package for scope, _ in scopes.most_common() for package in _packages(scope, versions)]
    words = {word for word in group.split("_") if len(word) > 2}
    spoken = [
        package
        for package in sorted(versions)
        if words & set(package.replace("-", "_").replace("/", "_").replace("@", "").split("_"))
    ]
    return ", ".join(f"{package} {versions[package]}" for package in list(dict.fromkeys(named or spoken))[:2])


def _packages(scope: str, versions: dict[str, str]) -> list[str]:
    """The package that a scope is named after: the longest whose name it starts with."""
    plain = "ai" if scope == "gen_ai" else re.sub(r"\W", "_", scope)  # Vercel AI SDK 7
    fitting = [package for package in versions if f"{plain}_".startswith(re.sub(r"\W", "_", package) + "_")]
    return [max(fitting, key=len)] if fitting else []


def page() -> str:
    """The whole page with its table made anew."""
    head = ("captures", "versions", *(column for column, _, _ in FACTS), "content is turned on by")
    return with_table(PAGE.read_text(encoding="utf-8"), table(head, rows()))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
