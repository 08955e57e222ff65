"""What is known about the calls since a signal began to deviate: the evidence of a later alert."""

from msgspec import Struct, field

from lumina_streams.core.baseline.habit import NAME_CHARS, OTHER, VALUES, Habit
from lumina_streams.core.series.call import Call

EXHIBITS = 5
RECENT_CALLS = 32  # the level follows about so many calls
TEXT_CHARS = 500  # of an answer shown as evidence


class Exhibit(Struct, frozen=True, array_like=True, gc=False):
    """A call that shows the deviation, and how much: the ones with the highest `weight` are kept."""

    at_ms: int
    trace_id: str
    span_id: str
    cost_usd: float | None
    quality: float | None
    weight: float = 0.0


class Excursion(Struct, array_like=True):
    """Sums over the calls since `since_ms`, event time of the first deviating one."""

    since_ms: int
    first_ms: int = 0  # start of the first call
    last_ms: int = 0
    n: int = 0
    level: float = 0.0  # recent mean: log cost, or quality
    cost_sum: float = 0.0
    priced_n: int = 0  # calls whose cost is known
    seen: Habit = field(default_factory=Habit)
    later: dict[str, dict[str, int]] = field(default_factory=dict)
    """Attribute -> value that first came later -> calls before it: by them its share is not thinned."""
    bad: int = 0
    signs: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)  # type of error -> calls that failed with it
    exhibits: list[Exhibit] = field(default_factory=list)
    before: str = ""  # a reference answer and the worst new one to the same prompt
    after: str = ""
    worst: float = 2.0  # score of `after`

    def add(self, call: Call, at_ms: int, level: float, cost: float | None) -> None:
        """Count a call; `level` is what the signal measures of it."""
        if not self.n:
            self.first_ms = call.start_ns // 1_000_000
        self.n += 1
        self.last_ms = at_ms
        self.level += (level - self.level) / min(self.n, RECENT_CALLS)
        if cost is not None:
            self.cost_sum += cost
            self.priced_n += 1
        failed = call.status == "error"
        seen = self.seen
        known = _values(seen)
        seen.add(
            model_of(call),
            call.prompt_version,
            call.release,
            cost,
            call.input_tokens,
            call.cache_read_tokens,
            call.output_tokens,
            failed,
        )
        if self.n > 1 and _values(seen) != known:
            self._note_later(call)
        if failed:
            _count(self.errors, call.error.type[:NAME_CHARS] if call.error is not None else OTHER)

    def _note_later(self, call: Call) -> None:
        for what, name, counts in (
            ("request_model", model_of(call), self.seen.calls_by_model()),
            ("prompt_version", call.prompt_version, self.seen.versions),
            ("release", call.release, self.seen.releases),
        ):
            if counts.get(name[:NAME_CHARS]) == 1:
                self.later.setdefault(what, {})[name[:NAME_CHARS]] = self.n - 1

    def show_dear(self, exhibit: Exhibit) -> None:
        """Keep the dearest calls."""
        self.show(exhibit, exhibit.cost_usd or 0.0)

    def show_bad(self, exhibit: Exhibit, sign: str, before: str, after: str) -> None:
        """Keep the worst answers, one of them beside its reference."""
        self.bad += 1
        _count(self.signs, sign)
        quality = 1.0 if exhibit.quality is None else exhibit.quality
        self.show(exhibit, 1.0 - quality)
        if before and quality < self.worst:
            self.worst = quality
            self.before = before[:TEXT_CHARS]
            self.after = after[:TEXT_CHARS]

    def show(self, exhibit: Exhibit, weight: float) -> None:
        """Keep the calls that show the deviation best: highest `weight`, of equals the earlier ones."""
        shown = self.exhibits
        if len(shown) < EXHIBITS or weight > shown[-1].weight:
            shown.append(
                Exhibit(
                    exhibit.at_ms,
                    exhibit.trace_id,
                    exhibit.span_id,
                    exhibit.cost_usd,
                    exhibit.quality,
                    weight,
                )
            )
            shown.sort(key=lambda entry: -entry.weight)
            del shown[EXHIBITS:]


def model_of(call: Call) -> str:
    """The model as the application asked for it, or as it answered."""
    return call.request_model or call.response_model


def _values(seen: Habit) -> int:
    return len(seen.models) + len(seen.unpriced) + len(seen.versions) + len(seen.releases)


def _count(counts: dict[str, int], value: str) -> None:
    if value in counts:
        counts[value] += 1
    elif len(counts) < VALUES:
        counts[value] = 1
