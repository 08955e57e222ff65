"""What is known about the calls since a signal began to deviate: the evidence of a later alert."""

from msgspec import Struct, field

from lumina_streams.core.series.call import Call

EXHIBITS = 5
RECENT_CALLS = 32  # the level follows about so many calls
VALUES = 8  # different models (prompt versions) that are counted
TEXT_CHARS = 500  # of an answer shown as evidence


class Exhibit(Struct, frozen=True, array_like=True, gc=False):
    """A call that shows the deviation."""

    at_ms: int
    trace_id: str
    span_id: str
    cost_usd: float | None
    quality: float | None


class Excursion(Struct, array_like=True):
    """Sums over the calls since `since_ms`, event time of the first deviating one."""

    since_ms: int
    last_ms: int = 0
    n: int = 0
    level: float = 0.0  # recent mean: log cost, or quality
    cost_sum: float = 0.0
    input_sum: int = 0
    input_n: int = 0
    output_sum: int = 0
    output_n: int = 0
    bad: int = 0
    signs: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    exhibits: list[Exhibit] = field(default_factory=list)
    before: str = ""  # a reference answer and the worst new one to the same prompt
    after: str = ""
    worst: float = 2.0  # score of `after`

    def add(self, call: Call, at_ms: int, level: float, cost: float | None) -> None:
        """Count a call; `level` is what the signal measures of it."""
        self.n += 1
        self.last_ms = at_ms
        self.level += (level - self.level) / min(self.n, RECENT_CALLS)
        if cost is not None:
            self.cost_sum += cost
        if call.input_tokens is not None:
            self.input_sum += call.input_tokens
            self.input_n += 1
        if call.output_tokens is not None:
            self.output_sum += call.output_tokens
            self.output_n += 1
        _count(self.models, model_of(call))
        _count(self.versions, call.prompt_version)

    def show_dear(self, exhibit: Exhibit) -> None:
        """Keep the dearest calls."""
        shown = self.exhibits
        if len(shown) < EXHIBITS or (exhibit.cost_usd or 0.0) > (shown[-1].cost_usd or 0.0):
            shown.append(exhibit)
            shown.sort(key=lambda entry: -(entry.cost_usd or 0.0))
            del shown[EXHIBITS:]

    def show_bad(self, exhibit: Exhibit, sign: str, before: str, after: str) -> None:
        """Keep the worst answers, one of them beside its reference."""
        self.bad += 1
        _count(self.signs, sign)
        quality = 1.0 if exhibit.quality is None else exhibit.quality
        shown = self.exhibits
        if len(shown) < EXHIBITS or quality < _quality(shown[-1]):
            shown.append(exhibit)
            shown.sort(key=_quality)
            del shown[EXHIBITS:]
        if before and quality < self.worst:
            self.worst = quality
            self.before = before[:TEXT_CHARS]
            self.after = after[:TEXT_CHARS]


def model_of(call: Call) -> str:
    """The model as the application asked for it, or as it answered."""
    return call.request_model or call.response_model


def _quality(exhibit: Exhibit) -> float:
    return 1.0 if exhibit.quality is None else exhibit.quality


def _count(counts: dict[str, int], value: str) -> None:
    if value in counts:
        counts[value] += 1
    elif len(counts) < VALUES:
        counts[value] = 1
