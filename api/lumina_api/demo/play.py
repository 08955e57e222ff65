"""The demo as it runs: history first, then live calls with incidents, and what Lumina answers to them."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial

import httpx
from aiokafka.errors import KafkaError

from lumina_api.access.credentials import own_headers
from lumina_api.demo.ledger import Ledger
from lumina_api.demo.limit import lift
from lumina_api.demo.rest import Rest
from lumina_api.demo.scenario import HISTORY_S, ONCE_S, history, incident_at, live
from lumina_api.demo.traffic import Applications, otlp_exporter
from lumina_api.demo.watch import AlertReader, alert_reader
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings

CHUNK = 250
"""Calls of history in one go: some hundred spans a request."""
FRESH_S = 6 * 3600.0
"""Demo data younger than this makes a history unnecessary."""
REAL_POLL_S = 2.0
READY_DEADLINE_S = 5.0
READY_POLL_S = 0.3
BEHIND_S = 3.0
"""A demo further behind its plan (a machine that slept) goes on from now instead of catching up."""


class NoReceiver(RuntimeError):
    """Nothing takes OTLP at the endpoint."""


@dataclass(frozen=True)
class Performance:
    """How to play: where spans go, what is asked, how long."""

    endpoint: str  # base URL of OTLP/HTTP
    api: str  # base URL of REST
    settings: Settings  # for Kafka
    seed: int
    rate: float  # live calls a second
    duration_s: float | None
    once: bool
    until_real: bool
    history: bool


async def play(performance: Performance, stop: asyncio.Event, say: Callable[[str], None]) -> int:
    """Play until `stop`, the duration, the first real trace, or the end of the schedule; an exit status.

    1 when `once` was asked for and an incident stayed without its alert. Raises NoReceiver.
    """
    headers = own_headers(performance.settings)
    rest = Rest(performance.api, headers)
    applications = Applications(performance.endpoint, partial(otlp_exporter, headers=headers))
    try:
        await _receiver(performance.endpoint, headers, stop)
        if stop.is_set():
            return 0
        if performance.until_real and await _has_real(rest):
            say("Spans of another project than `demo` are there already: no demo.")
            return 0
        try:
            await lift(performance.settings)
        except (KafkaError, KafkaSettingsError, LookupError, OSError) as error:
            say(f"The demo keeps to the limit of traces a day, it cannot be lifted for it: {error}")
        if performance.history:
            await _play_history(performance, rest, applications, say)
        return await _play_live(performance, rest, applications, stop, say)
    finally:
        await asyncio.to_thread(applications.shutdown)
        await rest.close()
        tally = applications.tally
        if tally.sent or tally.failed:
            lost = f", {tally.failed:,} could not be sent" if tally.failed else ""
            say(f"demo ended: {tally.sent:,} spans sent{lost}")


async def _receiver(endpoint: str, headers: Mapping[str, str], stop: asyncio.Event) -> None:
    """Wait until the endpoint takes an empty OTLP request. Raises NoReceiver after a while."""
    url = f"{endpoint.rstrip('/')}/v1/traces"
    deadline = time.monotonic() + READY_DEADLINE_S
    async with httpx.AsyncClient(headers=headers, trust_env=False) as client:
        while not stop.is_set():
            try:
                answer = await client.post(url, headers={"content-type": "application/x-protobuf"})
                if answer.status_code == 200:
                    return
                why = f"status {answer.status_code}"
                if answer.status_code == 401:
                    why += ", it wants a key (AUTH_REQUIRED); the demo has one by LUMINA_ADMIN_KEY"
                final = answer.status_code != 503
            except httpx.ConnectError:
                why, final = "nobody listens there", False
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                why, final = str(error) or type(error).__name__, True
            if final or time.monotonic() > deadline:
                raise NoReceiver(
                    f"No spans can be sent to {url}: {why}. Start Lumina with `lumina up`, or name its "
                    "OTLP/HTTP address with --endpoint."
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), READY_POLL_S)


async def _has_real(rest: Rest) -> bool:
    try:
        return await rest.has_real()
    except httpx.HTTPError:
        return False  # asked again soon


async def _play_history(
    performance: Performance, rest: Rest, applications: Applications, say: Callable[[str], None]
) -> None:
    """Send the calls of the last day, or of the time since the demo last played."""
    now_ns = time.time_ns()
    length_s = HISTORY_S
    try:
        newest_ns = await rest.newest_demo_ns()
    except httpx.HTTPError as error:
        say(f"REST at {performance.api} does not answer ({type(error).__name__}): history is sent unasked")
        newest_ns = None
    if newest_ns is not None:
        length_s = min(HISTORY_S, (now_ns - newest_ns) / 1e9)
        if length_s < FRESH_S:
            say("history: the demo played lately, its data is there")
            return
    begun = time.monotonic()
    calls = history(performance.seed, length_s, hour=now_ns / 3.6e12 % 24)
    for start in range(0, len(calls), CHUNK):
        for call in calls[start : start + CHUNK]:
            applications.emit(call, now_ns + int(call.at_s * 1e9))
        await asyncio.to_thread(applications.flush)
    endpoints = len({call.endpoint.name for call in calls})
    say(
        f"history: {len(calls):,} calls of {endpoints} endpoints over the last {length_s / 3600:.0f} h, "
        f"sent in {time.monotonic() - begun:.1f} s"
    )


async def _play_live(
    performance: Performance,
    rest: Rest,
    applications: Applications,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> int:
    ledger = Ledger()
    tasks = []
    async with AsyncExitStack() as open_now:
        try:
            reader = await open_now.enter_async_context(alert_reader(performance.settings))
            for alert in reader.earlier:
                ledger.remember(alert)
            tasks.append(asyncio.create_task(_report(reader, ledger, say)))
        except (KafkaError, KafkaSettingsError, LookupError, OSError) as error:
            say(f"Lumina's answers are not shown, its alerts cannot be read from Kafka: {error}")
        if performance.until_real:
            tasks.append(asyncio.create_task(_await_real(rest, stop, say)))
        say(f"live: about {performance.rate:g} calls a second; Ctrl-C ends it")
        try:
            await _send(performance, applications, ledger, stop, say)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    if performance.once and ledger.unanswered:
        names = ", ".join(incident.kind for incident in ledger.unanswered)
        say(f"without the alert that answers them: {names}")
        return 1
    return 0


async def _send(
    performance: Performance,
    applications: Applications,
    ledger: Ledger,
    stop: asyncio.Event,
    say: Callable[[str], None],
) -> None:
    """Send live calls as their time comes."""
    ends = [performance.duration_s] if performance.duration_s is not None else []
    if performance.once:
        ends.append(ONCE_S)
    begun = time.monotonic()
    failed = 0
    for call in live(performance.seed, performance.rate):
        if ends and call.at_s > min(ends):
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, begun + min(ends) - time.monotonic()))
            return
        wait_s = begun + call.at_s - time.monotonic()
        if wait_s < -BEHIND_S:
            begun -= wait_s
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), max(0.0, wait_s))
        if stop.is_set():
            return
        _say_all(say, ledger.over(incident_at(call.at_s)))
        applications.emit(call, time.time_ns())
        _say_all(say, ledger.sending(call.incident, time.monotonic()))
        await asyncio.to_thread(applications.flush)
        if applications.tally.failed > failed:
            if not failed:
                say(f"spans could not be sent to {performance.endpoint}; trying on with the next ones")
            failed = applications.tally.failed


async def _report(reader: AlertReader, ledger: Ledger, say: Callable[[str], None]) -> None:
    async for alert in reader.new():
        _say_all(say, ledger.receive(alert, time.monotonic()))


async def _await_real(rest: Rest, stop: asyncio.Event, say: Callable[[str], None]) -> None:
    while not stop.is_set():
        if await _has_real(rest):
            say("A span of another project has arrived: the demo makes room.")
            stop.set()
        await asyncio.sleep(REAL_POLL_S)


def _say_all(say: Callable[[str], None], line: str | None) -> None:
    if line is not None:
        say(line)
