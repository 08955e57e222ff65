"""What a language has to offer to the writer of prompts and answers."""

from dataclasses import dataclass

Frame = tuple[str, ...]
"""Ways to say one thing. Fields in lower case are the same for all calls of an intent (`{topic}`, `{action}`,
`{thing}`, and facts: `{n}`, `{name}`, `{place}`, `{code}`, `{amount}`, `{date}`, `{phone}`); those in upper
case are of the call: `{NAME}`, `{ORDER}`, `{AMOUNT}`, `{DATE}`."""


@dataclass(frozen=True)
class Domain:
    """A field of business."""

    topics: tuple[str, ...]
    actions: tuple[str, ...]
    things: tuple[str, ...]


@dataclass(frozen=True)
class Language:
    """Words and sentences of one language."""

    code: str
    space: str  # between sentences
    domains: tuple[Domain, ...]
    facts: tuple[Frame, ...]  # with facts
    talk: tuple[Frame, ...]  # without
    echoes: tuple[Frame, ...]  # with values of the call
    openers: tuple[str, ...]
    closers: tuple[str, ...]
    questions: tuple[str, ...]  # of `{topic}`, `{action}`
    requests: tuple[str, ...]  # the same with values of the call
    systems: tuple[str, ...]
    summarise: tuple[str, ...]
    invent: tuple[str, ...]  # asks for a story of `{noun}`
    tales: tuple[str, ...]  # of `{adjective}`, `{noun}`, `{other}`, `{name}`, `{place}`
    adjectives: tuple[str, ...]
    nouns: tuple[str, ...]
    refusals: tuple[str, ...]
    synonyms: tuple[tuple[str, str], ...]
    first: tuple[str, ...]  # names
    last: tuple[str, ...]
    places: tuple[str, ...]
    months: tuple[str, ...]
    date: str = "{day} {month} {year}"
    money: str = "${amount}"
    spaced_names: bool = True
