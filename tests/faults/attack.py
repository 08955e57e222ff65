"""An attack: what is done to a running Lumina while traffic of known truth flows, and what it cost."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from faults.arena import Arena


@dataclass
class Outcome:
    """What an attack left behind, beside what a quiet run of the same log leaves. All zeros: exact."""

    lost: int = 0
    """Accepted spans that are in no line of `lumina.spans`, or in no row of the views."""
    duplicated: int = 0
    """Spans that were counted more than once."""
    baselines: int = 0
    """Series whose state differs by a single byte."""
    alerts: int = 0
    """Alerts that are missing, too many, or differ in more than the wall clock."""
    resume_s: float | None = None
    """From the end of the fault (or the restart) until spans that were sent after it had been processed."""
    broken: list[str] = field(default_factory=list)
    """What else did not hold, in words: a deadline, a status, an error that must not be."""

    def plus(self, more: "Outcome") -> "Outcome":
        """This and what else was found."""
        return Outcome(
            self.lost + more.lost,
            self.duplicated + more.duplicated,
            self.baselines + more.baselines,
            self.alerts + more.alerts,
            self.resume_s if more.resume_s is None else more.resume_s,
            [*self.broken, *more.broken],
        )

    @property
    def exact(self) -> bool:
        """Whether nothing differs and every other promise held."""
        return not (self.lost or self.duplicated or self.baselines or self.alerts or self.broken)


Run = Callable[[Arena], Awaitable[Outcome]]
R = TypeVar("R", bound=Run)


class Attack(NamedTuple):
    """One named attack."""

    name: str
    what: str
    own_broker: bool
    """It does something to the broker: it gets one of its own, behind a proxy."""
    run: Run


ATTACKS: dict[str, Attack] = {}


def attack(what: str, *, own_broker: bool = False) -> Callable[[R], R]:
    """Register a function as an attack under its own name; `what` is the line in the table."""

    def register(run: R) -> R:
        name = run.__name__.replace("_", "-")
        assert name not in ATTACKS, f"two attacks have the name {name}"
        ATTACKS[name] = Attack(name, what, own_broker, run)
        return run

    return register
