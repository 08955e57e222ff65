"""What the signals decide by: made at folds alone, so it is stored with what was learned, not each run."""

from typing import TypeVar

from msgspec import Struct
from msgspec.structs import astuple

from lumina_schemas.alert import Unit
from lumina_streams.core.baseline.level import LevelTest
from lumina_streams.core.baseline.level_lane import CostLane, LatencyLane
from lumina_streams.core.baseline.share_lane import ErrorLane, ShareTest, UnpricedLane
from lumina_streams.core.baseline.spend import Limits
from lumina_streams.core.baseline.spend_lane import SpendLane
from lumina_streams.core.quality.fit import QualityTest
from lumina_streams.core.quality.lane import QualityLane

Kind = TypeVar("Kind", bound=Struct)


class Learned(Struct, array_like=True, frozen=True):
    """The fitted fields of all lanes."""

    cost: LevelTest = LevelTest()
    cost_effects: tuple[float, ...] = ()
    unit: Unit = "usd_per_call"
    tokens_p50: float = 0.0
    latency: LevelTest = LevelTest()
    latency_effects: tuple[float, ...] = ()
    errors: ShareTest = ShareTest()
    unpriced: ShareTest = ShareTest()
    quality: QualityTest = QualityTest()
    limits: tuple[Limits, ...] = ()
    cap: float = 0.0
    p95: float = 0.0
    hours: int = 0


def _brief(value: Kind) -> Kind:
    """The same with whole numbers for zeros: a byte each when packed, in place of nine."""
    return type(value)(
        *(int(one) if isinstance(one, float) and one == int(one) else one for one in astuple(value))
    )


NOTHING = Learned(
    cost=_brief(LevelTest()),
    latency=_brief(LevelTest()),
    errors=_brief(ShareTest()),
    unpriced=_brief(ShareTest()),
    quality=_brief(QualityTest()),
)


class Lanes(Struct, array_like=True):
    """The lanes that learn."""

    cost: CostLane
    latency: LatencyLane
    errors: ErrorLane
    unpriced: UnpricedLane
    quality: QualityLane
    spend: SpendLane

    def learned(self) -> Learned:
        """What they decide by."""
        cost, latency, spend = self.cost, self.latency, self.spend
        return Learned(
            cost.test,
            cost.effects,
            cost.unit,
            cost.tokens_p50,
            latency.test,
            latency.effects,
            self.errors.test,
            self.unpriced.test,
            self.quality.test,
            spend.limits,
            spend.cap,
            spend.p95,
            spend.n,
        )

    def give(self, learned: Learned) -> None:
        """Let them decide by this."""
        cost, latency, spend = self.cost, self.latency, self.spend
        cost.test, cost.effects, cost.unit = learned.cost, learned.cost_effects, learned.unit
        cost.tokens_p50 = learned.tokens_p50
        latency.test, latency.effects = learned.latency, learned.latency_effects
        self.errors.test, self.unpriced.test = learned.errors, learned.unpriced
        self.quality.test = learned.quality
        spend.limits, spend.cap, spend.p95, spend.n = learned.limits, learned.cap, learned.p95, learned.hours
