"""What HTTP and gRPC share: a body comes in for a signal and a project, and is on Kafka when this returns."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

import structlog

from lumina_api.gateway.budget import Hold
from lumina_api.gateway.intake import Intake, Receiver
from lumina_api.gateway.measures import Measures
from lumina_api.gateway.refusal import Refusal, invalid, too_large, unavailable
from lumina_api.gateway.sink import Sink
from lumina_api.gateway.status import Encoding
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP, OTLP_LOGS, PROJECT_HEADER
from lumina_streams.core.otlp import LOGS, TRACES, Signal, TooComplex, Undecodable

log = structlog.get_logger()

PROJECT = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)

LARGE_BYTES = {"protobuf": 512 * 1024, "json": 64 * 1024}
"""Bodies above this (a millisecond's work) are decoded in a thread, one after another."""


class Doorway:
    """Takes OTLP requests, whatever they came by."""

    def __init__(self, settings: Settings, sink: Sink) -> None:
        self.settings = settings
        self.sink = sink
        self.measures = Measures()
        self.measures.gauge("lumina_gateway_in_flight_bytes", lambda: sink.budget.used)
        self.measures.gauge("lumina_gateway_ready", lambda: sink.ready)
        self._receiver = Receiver(settings)
        self._topics = {TRACES: settings.topic(OTLP), LOGS: settings.topic(OTLP_LOGS)}
        self._thread = ThreadPoolExecutor(1, "gateway-decode")

    async def take(self, signal: Signal, encoding: Encoding, body: bytes, project: str | None) -> Intake:
        """Put a request on Kafka. Raises Refusal."""
        headers = [] if project is None else [(PROJECT_HEADER, _checked(project))]
        try:
            if len(body) > LARGE_BYTES[encoding]:
                loop = asyncio.get_running_loop()
                intake = await loop.run_in_executor(
                    self._thread, self._receiver.receive, signal, encoding, body
                )
            else:
                intake = self._receiver.receive(signal, encoding, body)
        except TooComplex as error:
            raise too_large(str(error)) from error
        except Undecodable as error:
            raise invalid(str(error)) from error
        if intake.messages:
            await self.sink.send(self._topics[signal], intake.messages, headers)
            self.measures.kept(
                signal.name, intake.items - intake.rejected, intake.rejected, sum(map(len, intake.messages))
            )
        return intake

    def hold(self) -> Hold:
        """A share of the memory budget, to be used in a `with` block."""
        return Hold(self.sink.budget)

    def close(self) -> None:
        """End the decoding thread."""
        self._thread.shutdown(wait=False)


def unexpected(error: Exception) -> Refusal:
    """What is answered to an error that nobody foresaw. Its text may quote a prompt: it is not repeated."""
    log.error("request failed", error=type(error).__name__, exc_info=True)
    return unavailable(
        "An internal error occurred; the gateway's log has it. Nothing was kept: send it again."
    )


def _checked(project: str) -> bytes:
    if not PROJECT.fullmatch(project):
        raise invalid(
            "X-Lumina-Project must be 1 to 100 characters out of A-Z, a-z, 0-9, dot, underscore and hyphen."
        )
    return project.encode()
