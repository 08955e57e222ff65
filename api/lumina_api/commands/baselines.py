"""`lumina baselines`: what each series is used to, and how far it is with learning."""

import asyncio
import os
import sys
import time
from typing import Annotated

import msgspec
import typer
from aiokafka.errors import KafkaError

from lumina_api.baselines import Unreadable, Wanted, known_series
from lumina_api.commands.asking import fail, running_settings
from lumina_api.text import plain
from lumina_schemas.baseline import MeasureBaseline, SeriesBaseline, WindowBaseline
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings
from lumina_streams.core.alert.summary import figure
from lumina_streams.core.series.state import Hot

LONGEST_FIRST = ("7d", "24h", "1h")
UNIT_WORDS = {
    "usd_per_call": "USD",
    "usd_per_min": "USD/min",
    "tokens_per_call": "tokens",
    "ms": "ms",
    "share": "share",
}


def baselines(
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    service: Annotated[str, typer.Option(help="Only this service.")] = "",
    endpoint: Annotated[str, typer.Option(help="Only this endpoint; shows every window.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one series a line, every window.")] = False,
) -> None:
    """Show what each series is used to: learning, ready or stale; cost, latency, tokens, spend, errors."""
    settings = running_settings()

    def wanted(hot: Hot) -> bool:
        asked = ((project, hot.project), (service, hot.service), (endpoint, hot.endpoint))
        return all(not name or name == its for name, its in asked)

    try:
        found = asyncio.run(_gather(settings, wanted))
        if as_json:
            for one in found:
                print(msgspec.json.encode(one).decode())
        elif endpoint:
            print("\n\n".join("\n".join(details(one)) for one in found) or _nothing())
        else:
            print("\n".join(overview(found)) if found else _nothing())
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`). What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (KafkaError, OSError) as error:
        where = settings.kafka_bootstrap_servers or f"127.0.0.1:{settings.kafka_port}"
        fail(f"Kafka at {where} cannot be read: {error!r}. Is the stack up (`lumina status`)?")
    except (KafkaSettingsError, LookupError, Unreadable) as error:
        fail(str(error))


def overview(found: list[SeriesBaseline]) -> list[str]:
    """One line a series: its state, its rate, what a call costs and how long it takes."""
    head = f"{'calls/min':>9}  {'USD a call, p50':>15} {'p95':>9}  {'ms, p50':>9} {'p95':>9}  {'errors':>7}"
    rows = []
    for one in found:
        known = {measure.measure: _longest(measure) for measure in one.measures}
        cost, latency, errors = (known.get(name) for name in ("cost", "latency", "errors"))
        rows.append(
            (
                f"{one.calls_per_min:>9.3g}  {_of(cost, 'p50'):>15} {_of(cost, 'p95'):>9}  "
                f"{_of(latency, 'p50'):>9} {_of(latency, 'p95'):>9}  "
                f"{'-' if errors is None else f'{errors.mean:.1%}':>7}",
                _name(one),
                one.progress,
            )
        )
    return [f"{head}  series, state", *(f"{figures}  {name}  {state}" for figures, name, state in rows)]


def details(one: SeriesBaseline) -> list[str]:
    """Every measure of a series over every window."""
    lines = [
        f"{_name(one)}  {one.progress}",
        f"series {one.series_id}, {one.calls:,} calls, {one.calls_per_min:.3g} a minute, newest "
        f"{one.newest or '-'}",
        f"{'measure':<22} {'window':>6} {'n':>8} {'mean':>10} {'p50':>10} {'p95':>10} {'p99':>10} "
        f"{'log loc.':>9} {'spread':>7}",
    ]
    for measure in one.measures:
        name = f"{measure.measure}, {UNIT_WORDS.get(measure.unit, measure.unit)}"
        for window in measure.windows:
            logs = "-", "-"
            if window.log_location is not None and window.log_spread is not None:
                logs = f"{window.log_location:.3f}", f"{window.log_spread:.3f}"
            lines.append(
                f"{name:<22} {window.window:>6} {window.n:>8,} {figure(window.mean):>10} "
                f"{_of(window, 'p50'):>10} {_of(window, 'p95'):>10} {_of(window, 'p99'):>10} "
                f"{logs[0]:>9} {logs[1]:>7}"
            )
            name = ""
    return lines


def _longest(measure: MeasureBaseline) -> WindowBaseline | None:
    by_name = {window.window: window for window in measure.windows}
    return next((by_name[name] for name in LONGEST_FIRST if name in by_name), None)


def _of(window: WindowBaseline | None, quantile: str) -> str:
    value = None if window is None else getattr(window, quantile)
    return "-" if value is None else figure(value)


def _name(one: SeriesBaseline) -> str:
    return f"{plain(one.project, 40)}/{plain(one.service, 40)}/{plain(one.endpoint, 60)}"


async def _gather(settings: Settings, wanted: Wanted) -> list[SeriesBaseline]:
    now_ms = time.time_ns() // 1_000_000
    found = [one async for one in known_series(settings, wanted, now_ms)]
    return sorted(found, key=lambda one: (one.project, one.service, one.endpoint))


def _nothing() -> str:
    return "No such series has any calls yet."
