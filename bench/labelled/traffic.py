"""The calls of a planned series, in event time, with its incidents and look-alikes in them."""

import json
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log

from msgspec.structs import replace

from labelled.incident import RETRY_ERRORS, Incident
from labelled.lookalike import Lookalike
from labelled.prices import MILLION, Price
from labelled.series import GIANT_FROM, GIANT_TO, GIANTS, HOUR_MS, MINUTE_MS, START_MS, TAIL_STRETCH, Plan
from labelled.text.fault import QUALITY_TYPES
from labelled.text.writer import NO_TEXT, USUAL, Aside, Style, Text, Writer
from lumina_schemas.partition import series_id
from lumina_schemas.source import Source
from lumina_streams.core.series.call import Call, decode_line

EPOCH = "bench"
LONGEST_GAP_MS = 10 * MINUTE_MS  # after it the rhythm is looked at again
FAR_FUTURE_MS = 1 << 50
OUTPUT_SHARE = 0.8  # of the spread of the tokens that answers share with prompts
OWN_SPREAD = 0.25  # of the answers' own
RETRY_TOKENS = 1.5  # of the prompt that is asked again and again, over the median
SPREAD_CALLS = 4000
COMPLETE = 1.3  # sentences of a better model's answers
LONGEST = 3.0
ASIDE_MS = 40


def _aside(kind: str, status: str, documents: int) -> Call:
    """A span beside calls, as a line of the log tells it."""
    line = {
        "type": "span",
        "src": [EPOCH, "otlp", 0, 0, 0],
        **dict.fromkeys(("series_id", "project", "service", "endpoint", "trace_id", "span_id"), ""),
        "start_ns": 0,
        "duration_ms": float(ASIDE_MS),
        "kind": kind,
        "status": status,
        "retrieval_documents": [{"id": str(number)} for number in range(documents)],
    }
    call = decode_line(json.dumps(line).encode())
    if not isinstance(call, Call):
        raise TypeError(f"A span was decoded as {type(call).__name__}.")
    return call


ASIDES: dict[Aside, Call] = {
    "tool": _aside("tool", "ok", 0),
    "failed_tool": _aside("tool", "error", 0),
    "retrieval": _aside("retrieval", "ok", 4),
    "empty_retrieval": _aside("retrieval", "ok", 0),
}


@dataclass(slots=True)
class Present:
    """What holds between two changes."""

    until_ms: int
    volume: float = 1.0
    incident: Incident | None = None
    cheaper: float = 1.0
    version: str = "v1"
    release: str = "1.0"
    usual_version: str = "v1"  # of calls that the incident does not hit
    usual_release: str = "1.0"
    model: str = ""  # what a newer model's name ends in
    style: Style = USUAL
    long_tail: float = 0.0


class Traffic:
    """An iterator over the calls of one series; the same seed gives the same calls."""

    def __init__(
        self,
        plan: Plan,
        incidents: list[Incident],
        lookalikes: list[Lookalike],
        end_ms: int,
        first_ms: int | None = None,
    ) -> None:
        self.plan = plan
        self.incidents = incidents
        self.lookalikes = lookalikes
        self.end_ms = end_ms
        self.first_ms = plan.first_ms if first_ms is None else first_ms
        self.largest = 0.0
        """Cost of the dearest call so far that the long tail made."""
        self.hit = False
        """Whether the incident hit the last call."""
        self.is_giant = False
        """Whether the last call was a giant, for no reason."""
        self._rng = random.Random(f"calls {plan.seed}")
        labels: list[Incident | Lookalike] = [*incidents, *lookalikes]
        self._changes = sorted({at for label in labels for at in (label.onset_ms, label.end_ms)})
        self._told: set[int] = set()
        self._writer = None if plan.text is None else Writer(plan.text)
        self._aside: Call | None = None
        self._stride = 2 if plan.text is not None and plan.text.kind in ("rag", "tools") else 1
        self._retry_tokens = int(plan.input_tokens * RETRY_TOKENS)

    def __iter__(self) -> Iterator[Call]:
        plan, rng, end_ms = self.plan, self._rng, self.end_ms
        expovariate = rng.expovariate
        series = series_id(plan.project, plan.service, plan.endpoint)
        at = float(self.first_ms)
        present = self.present(int(at))
        minute_end = 0.0
        rate = drift = slowness = 0.0
        offset = 0
        while True:
            if at >= minute_end or at >= present.until_ms:
                at_ms = int(at)
                if at_ms >= present.until_ms:
                    present = self.present(at_ms)
                minute_end = at + MINUTE_MS
                rate = plan.rate_per_min / MINUTE_MS * plan.volume(at_ms) * present.volume
                drift = plan.log_cost(at_ms) + log(present.cheaper)
                slowness = plan.latency(at_ms)
            gap = expovariate(rate)
            limit = min(LONGEST_GAP_MS, max(present.until_ms - at, 1.0))
            if gap > limit:
                # Nothing happens until the rhythm or a label has changed: draw anew from there.
                at += limit
                if at >= end_ms:
                    return
                continue
            at += gap
            if at >= end_ms:
                return
            offset += self._stride
            call = self._call(series, int(at), offset, present, drift, slowness)
            aside = self._aside
            if aside is None:
                yield call
            elif aside.kind == "retrieval":
                yield aside
                yield call
            else:
                yield call
                yield aside

    def call_at(self, series: str, at_ms: int, offset: int) -> Call:
        """A call of this kind at a time of the caller's choice."""
        plan, present = self.plan, self.present(at_ms)
        drift = plan.log_cost(at_ms) + log(present.cheaper)
        return self._call(series, at_ms, offset, present, drift, plan.latency(at_ms))

    def present(self, at_ms: int) -> Present:
        """What holds at a time, and until when."""
        place = bisect_right(self._changes, at_ms)
        until_ms = self._changes[place] if place < len(self._changes) else FAR_FUTURE_MS
        found = Present(until_ms)
        deploys = versions = voice = customers = 0
        longer, complete = 1.0, False
        for label in self.lookalikes:
            if label.onset_ms > at_ms:
                continue
            inside = at_ms < label.end_ms
            match label.type:
                case "traffic_doubling" | "holiday" if inside:
                    found.volume *= label.factor
                case "cheaper_answers":
                    found.cheaper *= label.factor
                case "reworded_deploy":
                    deploys += 1
                    versions += 1
                    voice += 1
                case "new_prompt_version":
                    versions += 1
                    voice += 1
                case "reworded":
                    voice += 1
                case "better_model":
                    voice += 1
                    complete = True
                    longer *= COMPLETE
                    found.model = "-next"
                case "longer_answers":
                    longer *= label.factor
                case "new_customers":
                    customers += 1
                case "long_tail" if inside and label.onset_ms not in self._told:
                    found.long_tail = label.factor
                case _:
                    pass
        found.style = Style(voice, min(longer, LONGEST), complete, customers)
        found.version = found.usual_version = f"v{versions + 1}"
        found.release = found.usual_release = f"1.{deploys}"
        for incident in self.incidents:
            if incident.onset_ms <= at_ms < incident.end_ms:
                found.incident = incident
                if incident.type == "retry_loop":
                    found.volume *= incident.factor
                elif incident.type == "prompt_bloat":
                    found.version = "v-bloat"
                elif incident.type in ("model_swap", "output_runaway", "cache_loss"):
                    found.release = f"1.{deploys + 1}-hotfix"
        return found

    def _write(self, present: Present, version: str, failed: bool) -> Text:
        """The content of a call; the fault of an incident where it hits, drawn apart from cost and time."""
        writer = self._writer
        if writer is None:
            return NO_TEXT
        incident = present.incident
        fault = None
        if incident is not None and incident.fault is not None:
            share = incident.worse_share if incident.worse else incident.share
            if (self.hit or not incident.worse) and writer.rng.random() < share:
                fault = incident.fault
        text = writer.write(present.style, version, fault, incident.mode if incident else 0)
        self._aside = None
        if text.aside and not failed:
            self._aside = ASIDES[text.aside]
        return text._replace(answer=(), finish=(), tools=()) if failed else text

    def _call(
        self, series: str, at_ms: int, offset: int, present: Present, drift: float, slowness: float
    ) -> Call:
        plan, rng = self.plan, self._rng
        rand, gauss = rng.random, rng.gauss
        price = plan.models[0][0]
        if len(plan.models) > 1 and rand() >= plan.models[0][1]:
            price = plan.models[1][0]
        input_tokens, cached, output_tokens = self._tokens(drift)
        errors = plan.error_share
        latency = 1.0
        priced = True
        if present.model:
            price = price._replace(model=price.model + present.model)
        incident = present.incident
        version, release = present.version, present.release
        self.hit = False
        if incident is not None and incident.type not in QUALITY_TYPES:
            kind = incident.type
            if incident.share >= 1.0 or rand() < incident.share:
                self.hit = True
                factor = incident.factor
                if kind == "model_swap" or kind == "price_change":
                    price = incident.swapped(price)
                elif kind == "prompt_bloat":
                    input_tokens += self._bloat(price, factor, drift)
                elif kind == "cache_loss":
                    cached = 0
                elif kind == "output_runaway":
                    extra = (factor - 1.0) * price.cost(input_tokens, cached, output_tokens)
                    output_tokens += round(extra * MILLION / price.output)
                elif kind == "slow_leak":
                    grown = exp(
                        log(factor) * (at_ms - incident.onset_ms) / (incident.end_ms - incident.onset_ms)
                    )
                    input_tokens, cached = round(input_tokens * grown), round(cached * grown)
                    output_tokens = round(output_tokens * grown)
                elif kind == "retry_loop":
                    if rand() >= 1.0 / factor:
                        input_tokens = self._retry_tokens
                        cached = int(input_tokens * plan.cached)
                        errors = RETRY_ERRORS
                elif kind == "latency":
                    latency = factor
                elif kind == "errors":
                    errors = factor
                elif kind == "unpriced":
                    priced = False
                    price = price._replace(model=f"{price.model}-preview")
            else:
                version, release = present.usual_version, present.usual_release
        if present.long_tail and self.largest:
            scale = (
                present.long_tail * self.largest / max(price.cost(input_tokens, cached, output_tokens), 1e-12)
            )
            input_tokens, cached = max(1, round(input_tokens * scale)), int(cached * scale)
            output_tokens = max(1, round(output_tokens * scale))
            present.long_tail = 0.0
            self._told.update(
                label.onset_ms
                for label in self.lookalikes
                if label.type == "long_tail" and label.onset_ms <= at_ms
            )
        ended = plan.latency_ms * slowness * latency * exp(plan.latency_spread * gauss(0.0, 1.0))
        ended *= (output_tokens / plan.output_tokens) ** 0.3
        duration_ms = max(1, round(ended))
        failed = errors > 0.0 and rand() < errors
        cost = None
        if not failed and priced:
            cost = price.cost(input_tokens, cached, output_tokens)
            if cost > self.largest:
                self.largest = cost
        text = self._write(present, version, failed)
        if self._aside is not None:
            self._aside = self._beside(self._aside, series, at_ms, offset)
        return Call(
            src=Source(EPOCH, "otlp", 0, offset, 0),
            series_id=series,
            project=plan.project,
            service=plan.service,
            endpoint=plan.endpoint,
            trace_id=f"{offset:032x}",
            span_id=f"{offset:016x}",
            start_ns=(at_ms - duration_ms) * 1_000_000,
            duration_ms=float(duration_ms),
            kind="llm",
            status="error" if failed else "ok",
            request_model=price.model,
            response_model="" if failed else price.model,
            ttft_ms=None if failed else min(ended, 150.0 + 0.15 * ended),
            release=release,
            input_tokens=None if failed else input_tokens,
            cache_read_tokens=None if failed or not plan.cached else cached,
            output_tokens=None if failed else output_tokens,
            prompt_version=version,
            input_messages=text.prompt,
            output_messages=text.answer,
            tool_calls=text.tools,
            finish_reasons=text.finish,
            cost_usd=cost,
            priced=True,
        )

    def _beside(self, aside: Call, series: str, at_ms: int, offset: int) -> Call:
        """A span beside a call; it lies before its call in the log, or after it."""
        plan = self.plan
        place = offset - 1 if aside.kind == "retrieval" else offset + 1
        return replace(
            aside,
            src=Source(EPOCH, "otlp", 0, place, 0),
            series_id=series,
            project=plan.project,
            service=plan.service,
            endpoint=plan.endpoint,
            trace_id=f"{offset:032x}",
            span_id=f"{place:016x}",
            start_ns=(at_ms - ASIDE_MS) * 1_000_000,
        )

    def _tokens(self, drift: float, giants: float = GIANTS) -> tuple[int, int, int]:
        """(input, cached, output) of a call as it comes, before any incident."""
        plan, rng = self.plan, self._rng
        z = rng.gauss(0.0, 1.0)
        if plan.tail and rng.random() < plan.tail:
            z *= TAIL_STRETCH
        size = plan.spread * z + drift
        own = OWN_SPREAD * plan.spread * rng.gauss(0.0, 1.0) + drift * (1.0 - OUTPUT_SHARE)
        self.is_giant = rng.random() < giants
        if self.is_giant:
            size += log(rng.uniform(GIANT_FROM, GIANT_TO))
        scale = exp(size)
        input_tokens = max(1, round(plan.input_tokens * scale))
        answer = scale * exp(own) if self.is_giant else exp(OUTPUT_SHARE * size + own)
        output_tokens = max(1, round(plan.output_tokens * answer))
        cached = 0
        if plan.cached and rng.random() < plan.cache_hits:
            cached = int(input_tokens * plan.cached)
        return input_tokens, cached, output_tokens

    def _bloat(self, price: Price, factor: float, drift: float) -> int:
        """Tokens that a longer prompt adds to every call, so that the median call costs `factor` times."""
        plan = self.plan
        tokens = int(plan.input_tokens)
        cached = int(tokens * plan.cached)
        median = price.cost(tokens, cached, int(plan.output_tokens))
        return round((factor - 1.0) * median * exp(drift) * MILLION / price.input)


def spread_of(plan: Plan) -> float:
    """Standard deviation of log cost while nothing happens, giants left out, rhythm included."""
    traffic = Traffic(plan, [], [], START_MS)
    traffic._rng = random.Random(f"spread {plan.seed}")
    total = squares = 0.0
    for number in range(SPREAD_CALLS):
        at_ms = START_MS + number * HOUR_MS
        price = plan.models[0][0]
        if len(plan.models) > 1 and traffic._rng.random() >= plan.models[0][1]:
            price = plan.models[1][0]
        x = log(price.cost(*traffic._tokens(plan.log_cost(at_ms), 0.0)))
        total += x
        squares += x * x
    mean = total / SPREAD_CALLS
    return float(max(squares / SPREAD_CALLS - mean * mean, 0.0) ** 0.5)
