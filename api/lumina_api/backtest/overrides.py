"""`--set rule=value`: what a backtest changes in the rules, held to the bounds that rules have."""

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from lumina_schemas.rule import RULE_VERSION, Rule
from lumina_streams.core.series.rulebook import OVERRIDES
from lumina_streams.core.series.rules import Rules

LISTS = ("off",)
PAIRS = ("severity",)


class Further(Struct, frozen=True, kw_only=True):
    """What detection takes beside the fields of a rule."""

    adopt_calls: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    active_series: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None


class Overrides(Struct, frozen=True):
    """Values in place of those of every rule, by the name of the field."""

    values: dict[str, Any] = {}

    def on(self, rules: Rules) -> Rules:
        """The rules with these values."""
        return msgspec.structs.replace(rules, **self.values) if self.values else rules

    def on_rule(self, rule: Rule) -> Rule:
        """A rule of the log with these values."""
        values = {name: value for name, value in self.values.items() if name in OVERRIDES}
        return msgspec.structs.replace(rule, **values) if values else rule


def overrides_of(texts: Iterable[str]) -> Overrides:
    """Read `name=value` texts. Raises ValueError, saying what is allowed."""
    values: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        name = name.strip()
        if not separator or name not in (*OVERRIDES, *Further.__struct_fields__):
            raise ValueError(f"{text!r} sets no rule. Allowed are:\n{allowed()}")
        values[name] = value_of(name, value.strip())
    return Overrides(values)


def value_of(name: str, text: str) -> Any:
    """The value of one field as a user writes it. Raises ValueError, saying what is allowed."""
    raw: Any = text
    if name in LISTS:
        raw = [part.strip() for part in text.split(",") if part.strip()]
    elif name in PAIRS:
        pairs = (part.partition(":") for part in text.split(",") if part.strip())
        raw = {kind.strip(): value.strip() for kind, _, value in pairs}
    elif text.lower() in ("", "null", "none"):
        raise ValueError(f"{name} needs a value. Allowed are:\n{allowed()}")
    record = Further if name in Further.__struct_fields__ else Rule
    fields = {name: raw} if record is Further else {"v": RULE_VERSION, name: raw}
    try:
        value = getattr(msgspec.convert(fields, record, strict=False), name)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}={text}: {error}. Allowed are:\n{allowed()}") from error
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{name}={text} is no number. Allowed are:\n{allowed()}")
    return value


def allowed() -> str:
    """Every field that can be set, a line each, with its bounds."""
    found: dict[str, Any] = {}
    for record in (Rule, Further):
        for schema in msgspec.json.schema(record)["$defs"].values():
            found |= schema["properties"]
    return "\n".join(f"  {name}={_bounds(found[name])}" for name in (*OVERRIDES, *Further.__struct_fields__))


def _bounds(schema: dict[str, Any]) -> str:
    """One field's values in words, from its JSON Schema."""
    kind = next(one for one in schema["anyOf"] if one.get("type") != "null")
    if kind["type"] == "array":
        return ",".join(sorted(kind["items"]["enum"])) + "  (any of them)"
    if kind["type"] == "object":
        return "KIND:" + "|".join(kind["additionalProperties"]["enum"]) + ",...  (a kind of alert each)"
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    limits = [f"{sign} {kind[word]:,}" for word, sign in words.items() if word in kind]
    return f"{kind['type'].upper()}  ({', '.join(limits)})"
