"""What a check comes to."""

from typing import Literal

from msgspec import Struct

Verdict = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True, omit_defaults=True):
    """One thing that was looked at."""

    check: str  # what: broker, topics, clock, ...
    verdict: Verdict
    found: str  # what is
    advice: str = ""  # what that means and what to do; "" where all is well


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", found)


def warn(check: str, found: str, advice: str) -> Finding:
    """It works, but not as it should."""
    return Finding(check, "warn", found, advice)


def fail(check: str, found: str, advice: str) -> Finding:
    """Something does not work."""
    return Finding(check, "fail", found, advice)
