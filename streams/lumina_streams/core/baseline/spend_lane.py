"""The spend signal: more money a minute than this hour of the day has ever taken, whatever a call costs."""

from msgspec import Struct, field

from lumina_schemas.alert import Baseline, Signal
from lumina_streams.core.baseline.excursion import Excursion, Exhibit
from lumina_streams.core.baseline.lane import Lane
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.spend import SLOT_MS, SLOTS, Limits
from lumina_streams.core.baseline.windows import HOUR_MS
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

CALM_SHARE = 0.5  # of the limit: a slot below is calm
CALM_SLOTS = 3
MINUTES = 60.0
THRESHOLD = 10.0  # evidence is the share of the limit that is reached, in these units


class Running(Struct, array_like=True):
    """What the running slot and hour have come to."""

    slot: int = -1
    slot_usd: float = 0.0
    hour: int = -1
    hour_usd: float = 0.0


class SpendLane(Lane, array_like=True, kw_only=True):
    """Evidence: share of the limit of five minutes, and of the hour, that is used up."""

    limits: tuple[Limits, ...] = ()  # of this hour and the next
    cap: float = 0.0  # USD of a call that count
    usual: float = 0.0  # USD a minute that was expected when the alert opened
    running: Running = field(default_factory=Running)
    calm_slots: int = 0
    floor: float = 0.0  # USD an hour that were adopted
    p95: float = 0.0  # USD a minute
    n: int = 0  # hours behind it

    @property
    def alone_h(self) -> float:
        """As `Lane`."""
        return THRESHOLD if self.limits else 0.0

    def weigh(self, call: Call, cost: float, at_ms: int) -> float:
        """Take one priced call; returns what a slot that ended with it came to, else -1."""
        running = self.running
        ended = -1.0
        slot, hour = at_ms // SLOT_MS, at_ms // HOUR_MS
        if slot < running.slot:
            return ended
        if slot > running.slot:
            ended = running.slot_usd if running.slot >= 0 else -1.0
            if self.open:
                self._rest(slot - running.slot)
            running.slot, running.slot_usd = slot, 0.0
        if hour > running.hour:
            running.hour, running.hour_usd = hour, 0.0
        capped = min(cost, self.cap) if self.cap else cost
        running.slot_usd += capped
        running.hour_usd += capped
        limits = next((one for one in self.limits if one.hour == hour), None)
        if limits is None:
            return ended
        evidence = [
            min(THRESHOLD * running.slot_usd / limits.slot, 3 * THRESHOLD),
            min(THRESHOLD * running.hour_usd / limits.whole, 3 * THRESHOLD),
        ]
        self.evidence = evidence
        if max(evidence) < THRESHOLD * CALM_SHARE and not self.is_held:
            self.excursion = None
            return ended
        excursion = self.excursion
        if excursion is None:
            begin = slot * SLOT_MS if evidence[0] >= evidence[1] else hour * HOUR_MS
            excursion = self.excursion = Excursion(begin)
        if not self.open:
            self.usual = limits.expected / MINUTES
        excursion.add(call, at_ms, cost, cost)
        excursion.show_dear(Exhibit(at_ms, call.trace_id, call.span_id, cost, None))
        return ended

    def _rest(self, slots: int) -> None:
        limit = max((one.slot for one in self.limits), default=0.0)
        calm = self.running.slot_usd < limit * CALM_SHARE
        self.calm_slots = self.calm_slots + slots if calm else 0
        wanted = max(CALM_SLOTS, self.patience_ms // SLOT_MS)
        self.calm = float(self.calm_slots)
        self.recovered = self.calm_slots >= wanted

    @property
    def since_ms(self) -> int:
        """As `Lane`."""
        return -1 if self.excursion is None else self.excursion.since_ms

    @property
    def ratio(self) -> float:
        """As `Lane`."""
        return max(self.per_min / self.usual, 1.0) if self.usual else 1.0

    @property
    def per_min(self) -> float:
        """USD a minute now: of the running slot or hour, whichever is further off."""
        running = self.running
        if not self.evidence or self.evidence[0] >= self.evidence[1]:
            return running.slot_usd * SLOTS / MINUTES
        return running.hour_usd / MINUTES

    def strength(self, h: float, rules: Rules) -> float:
        """Share of the limit that is used up."""
        if self.excursion is None or h <= 0 or not self.evidence:
            return 0.0
        return max(self.evidence) / h

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        excursion = self.excursion
        if excursion is None or not self.usual:
            return None
        return Signal(
            kind="spend_spike",
            value=self.per_min,
            baseline=Baseline(self.usual, max(self.p95, self.usual), self.n, "7d"),
            ratio=self.per_min / self.usual,
            significance=round(max(self.evidence) / THRESHOLD, 3),
            n=excursion.n,
            since=rfc3339(excursion.since_ms),
            unit="usd_per_min",
            detail="more than this hour of the day takes, by volume",
        )

    def begin(self, at_ms: int) -> None:
        """An alert takes this signal."""
        super().begin(at_ms)
        self.calm_slots = 0

    def take_level(self) -> None:
        """As `Lane`."""
        self.floor = self.per_min * MINUTES
        self.limits = ()

    def end(self) -> None:
        """The alert gave this signal back."""
        super().end()
        self.floor = 0.0

    def dismiss(self) -> None:
        """Drop all evidence."""
        super().dismiss()
        self.calm_slots = 0
