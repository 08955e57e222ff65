"""One detect step: µs a call at 1,000 and at 10,000 series, memory, and bytes of changelog.

Without prompts and answers, or with answers of `--text` characters and prompts of 400 (`wording.py`).

Works as the agent does: runs of 500 calls, packed states in a table, the most recent ones unpacked at hand,
one write of each changed series per run. Only Kafka is not there: the table is a dict. The series are grown
up: each state comes from a series of its speed that has had some thousand calls.
"""

import argparse
import gc
import json
import multiprocessing
import random
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from math import exp, log
from typing import Any

import cramjam
from msgspec.structs import replace

from labelled.series import DAY_MS, FASTEST, MINUTE_MS, SLOWEST, START_MS, draw_plan
from labelled.traffic import Traffic
from labelled.watch import AT
from lumina_schemas.partition import series_id
from lumina_streams.agents.shelf import STATES, Shelf
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.keys import cold_key, hot_key
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step
from machine import facts
from wording import Wording

SEED = 1000
RUN_CALLS = 500
SPEEDS = 40  # different series that the others are copies of
GROWN_CALLS = 3000
GROWN_MS = 2 * DAY_MS
BATCH_BYTES = 16_384  # of a producer: what is compressed together
TARGET_US, TARGET_GROWTH, TARGET_MB = 60, 1.3, 400
TARGET_TEXT_US = 120


def main() -> None:
    """Measure each number of series in a process of its own, and print one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--series", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--calls", type=int, default=150_000, help="measured, for each number of series")
    parser.add_argument("--text", type=int, default=0, metavar="N", help="characters of each answer; 0: none")
    parser.add_argument("--language", help="of all texts, such as en; else a third of the series has others")
    parser.add_argument("--in-memory", type=int, default=STATES, help="unpacked states at hand")
    asked = parser.parse_args()
    figures: dict[str, Any] = {}
    for count in asked.series:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
            measured = alone.submit(measure, count, asked.calls, asked.in_memory, asked.text, asked.language)
            figures[str(count)] = measured.result()
    first, last = figures[str(asked.series[0])], figures[str(asked.series[-1])]
    print(
        json.dumps(
            {
                "bench": "detect",
                "text_chars": asked.text,
                "target_us": TARGET_TEXT_US if asked.text else TARGET_US,
                "target_growth": TARGET_GROWTH,
                "target_mb": TARGET_MB,
                "series": figures,
                "growth": round(last["us_per_call"] / first["us_per_call"], 2),
                "machine": facts(),
            }
        )
    )


def measure(count: int, calls: int, in_memory: int, text: int, language: str | None) -> dict[str, Any]:
    """The figures for so many series, whose answers have `text` characters."""
    kinds = [Kind(number, text, language) for number in range(SPEEDS)]
    table: dict[bytes, bytes] = {}
    names = [series_id("bench", "detect", f"endpoint-{number}") for number in range(count)]
    for number, name in enumerate(names):
        kinds[number % SPEEDS].settle(name, table)
    gc.collect()  # as the worker does before it begins
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    worker = Worker(table, Rules(active_series=count), in_memory)
    rng = random.Random(SEED)
    weights = [kinds[number % SPEEDS].rate_per_ms for number in range(count)]
    total_rate = sum(weights)
    warm_up = calls // 3  # until as many states are at hand as ever
    chosen = rng.choices(range(count), weights=weights, k=warm_up + calls)
    at = began = float(START_MS + GROWN_MS)
    for begin in range(0, warm_up + calls, RUN_CALLS):
        if begin >= warm_up > begin - RUN_CALLS:
            worker.forget_figures()
            began = at
        run: list[Call] = []
        for number in chosen[begin : begin + RUN_CALLS]:
            at += rng.expovariate(total_rate)
            run.append(kinds[number % SPEEDS].call(names[number], int(at)))
        worker.process(run)
    return {
        "us_per_call": round(1e6 * (worker.step_s + worker.load_s + worker.write_s) / calls, 1),
        "of_it_step_us": round(1e6 * worker.step_s / calls, 1),
        "of_it_unpack_us": round(1e6 * worker.load_s / calls, 1),
        "of_it_pack_us": round(1e6 * worker.write_s / calls, 1),
        "event_minutes": round((at - began) / MINUTE_MS, 1),
        "reads_per_call": round(worker.loads / calls, 3),
        "hot_bytes_per_write": round(worker.hot_bytes / worker.hot_writes),
        "cold_bytes_per_write": round(worker.cold_bytes / max(worker.cold_writes, 1)),
        "changelog_bytes_per_call": round((worker.hot_bytes + worker.cold_bytes) / calls),
        "changelog_zstd_bytes_per_call": round(worker.zstd_bytes / calls),
        "table_mb": round(sum(len(key) + len(value) for key, value in table.items()) / 1e6, 1),
        "peak_rss_mb": round(_peak_rss() / 1e6, 1),
        "judged_share": round(worker.judged / calls, 3),
        "placed_share": round(worker.placed / calls, 3),
        "alerts": worker.alerts,
    }


class Kind:
    """A grown-up series of one speed, and the calls of those like it."""

    def __init__(self, number: int, text: int, language: str | None) -> None:
        # Evenly from slow to fast, so that every number of series has the same mixture.
        speed = exp(log(SLOWEST) + (number + 0.5) / SPEEDS * log(FASTEST / SLOWEST))
        plan = draw_plan(SEED, number, speed, speed)
        length = min(GROWN_MS, int(GROWN_CALLS / plan.rate_per_min * MINUTE_MS))
        grown_ms = START_MS + GROWN_MS
        self.rate_per_ms = plan.rate_per_min / MINUTE_MS
        self.traffic = Traffic(plan, [], [], grown_ms, first_ms=grown_ms - length)
        self.offset = 0
        self.wording = Wording(f"{SEED}/{number}", text, language) if text else None
        rules = Rules()
        state: SeriesState | None = None
        for call in self.traffic:
            if state is None:
                state = SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
            self.offset = call.src.offset
            state.positions.advance(call.src)
            step(state, self.with_text(call), rules, AT, call.start_ns // 1_000_000)
        assert state is not None, "no series is that slow"
        state.hot.book.tracks.clear()
        self.cold = state.pack_cold()
        self.version = state.cold_version
        self.hot = state.pack_hot()

    def settle(self, name: str, table: dict[bytes, bytes]) -> None:
        """Put a series like this into the table."""
        state = SeriesState.unpack(self.hot, self.cold if self.version else None)
        state.hot.series_id = name
        if self.version:
            table[cold_key(name, self.version)] = bytes(bytearray(self.cold))  # each has its own
        table[hot_key(name)] = state.pack_hot()

    def call(self, name: str, at_ms: int) -> Call:
        """The next call of a series like this."""
        self.offset += 1
        return self.with_text(self.traffic.call_at(name, at_ms, self.offset))

    def with_text(self, call: Call) -> Call:
        """The call with a prompt and, unless it failed, an answer."""
        if self.wording is None:
            return call
        prompt, answer = self.wording.turn()
        failed = call.status == "error"
        return replace(call, input_messages=prompt, output_messages=() if failed else answer)


class Worker:
    """What the agent does with a run of calls, and how long it takes."""

    def __init__(self, table: dict[bytes, bytes], rules: Rules, in_memory: int) -> None:
        self.table = table
        self.rules = rules
        self.shelf = Shelf(self._read, table.get, in_memory)
        self.forget_figures()

    def forget_figures(self) -> None:
        """Begin to measure."""
        self.step_s = self.load_s = self.write_s = 0.0
        self.loads = self.alerts = self.judged = self.placed = 0
        self.hot_writes = self.cold_writes = 0
        self.hot_bytes = self.cold_bytes = self.zstd_bytes = 0

    def process(self, run: list[Call]) -> None:
        """Apply a run: every call, then one write of each series that changed."""
        changed: dict[str, SeriesState] = {}
        begin, loaded = time.process_time(), self.load_s
        for call in run:
            state = changed.get(call.series_id)
            if state is None:
                state = changed[call.series_id] = self._state(call.series_id)
            if state.positions.advance(call.src):
                clock_ms = call.start_ns // 1_000_000
                self.alerts += len(step(state, call, self.rules, AT, clock_ms))
                if state.verdict is not None:
                    self.judged += 1
                    self.placed += state.verdict.place is not None
        stepped = time.process_time()
        self.step_s += stepped - begin - (self.load_s - loaded)
        written: list[bytes] = []
        for name, state in changed.items():
            if state.cold_dirty:
                key = cold_key(name, state.cold_version)
                value = state.pack_cold()
                self.table[key] = value
                written.append(key + value)
                self.cold_writes += 1
                self.cold_bytes += len(value)
            key = hot_key(name)
            value = state.pack_hot()
            self.table[key] = value
            written.append(key + value)
            self.hot_writes += 1
            self.hot_bytes += len(value)
            self.shelf.put(name, state)
        self.write_s += time.process_time() - stepped
        self._compress(written)

    def _read(self, key: bytes) -> bytes | None:
        self.loads += 1
        return self.table.get(key)

    def _state(self, name: str) -> SeriesState:
        begin = time.process_time()
        state = self.shelf.take(name)
        assert state is not None
        self.load_s += time.process_time() - begin
        return state

    def _compress(self, written: list[bytes]) -> None:
        """Count what the changelog takes, compressed in batches as the producer does."""
        batch = bytearray()
        for record in written:
            if batch and len(batch) + len(record) > BATCH_BYTES:
                self.zstd_bytes += len(cramjam.zstd.compress(bytes(batch)))
                batch.clear()
            batch += record
        if batch:
            self.zstd_bytes += len(cramjam.zstd.compress(bytes(batch)))


def _peak_rss() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
