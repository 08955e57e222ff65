"""OTLP/gRPC: the trace, logs and metrics services over raw bytes: what came goes to Kafka as it is."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from lumina_api.gateway.doorway import Doorway, unexpected
from lumina_api.gateway.intake import NOTHING
from lumina_api.gateway.refusal import Refusal
from lumina_api.gateway.status import failure, retry_info, success
from lumina_streams.core.otlp import LOGS, TRACES, Signal

Handler = Callable[[bytes, Any], Awaitable[bytes]]

_PACKAGE = "opentelemetry.proto.collector"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def create_server(doorway: Doorway, address: str) -> Any:
    """A grpc.aio server for `host:port`. Raises OSError where the address cannot be bound."""
    server = aio.server(
        options=(
            ("grpc.max_receive_message_length", doorway.settings.max_body_bytes),
            # Without this a second gateway shares the port unnoticed.
            ("grpc.so_reuseport", 0),
        )
    )
    server.add_generic_rpc_handlers(
        (
            _service("trace.v1.TraceService", _export(doorway, TRACES)),
            _service("logs.v1.LogsService", _export(doorway, LOGS)),
            _service("metrics.v1.MetricsService", _export(doorway, None)),
        )
    )
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(
            f"OTLP/gRPC cannot listen on {address}. Another program may hold the port: "
            "set LUMINA_OTLP_GRPC_PORT."
        ) from error
    return server


def _service(name: str, export: Handler) -> Any:
    return grpc.method_handlers_generic_handler(
        f"{_PACKAGE}.{name}", {"Export": grpc.unary_unary_rpc_method_handler(export)}
    )


def _export(doorway: Doorway, signal: Signal | None) -> Handler:
    """The Export method of a signal's service; None takes metrics and drops them."""

    async def export(body: bytes, context: Any) -> bytes:
        began = time.perf_counter()
        metadata = _texts(context)
        project = metadata.get("x-lumina-project")
        intake = NOTHING
        refusal: Refusal | None = None
        try:
            project = doorway.enter(_authorization(context), project)
            if signal is not None:
                with doorway.hold() as hold:
                    hold.take(len(body))
                    intake = await doorway.take(signal, "protobuf", body, project)
        except Refusal as error:
            refusal = error
        except Exception as error:
            refusal = unexpected(error)
        code = _CODES[refusal.code] if refusal else grpc.StatusCode.OK
        doorway.answered(
            signal,
            "grpc",
            "grpc",
            code.name,
            time.perf_counter() - began,
            intake,
            refusal,
            project=project,
            client=metadata.get("user-agent", ""),
        )
        if refusal is None:
            return success("protobuf", intake.rejected, intake.problem)
        await context.abort(code, refusal.message, trailing_metadata=trailer(refusal))
        raise AssertionError("abort raises")

    return export


def trailer(refusal: Refusal) -> tuple[tuple[str, str | bytes], ...]:
    """Metadata that goes with a refusal. OpenTelemetry's Python SDK has a name of its own for RetryInfo."""
    found: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", failure("protobuf", refusal))]
    if refusal.retry_after_s is not None:
        found.append(("google.rpc.retryinfo-bin", retry_info(refusal.retry_after_s).SerializeToString()))
    return (*found, *refusal.headers.items())


def _authorization(context: Any) -> list[str]:
    return [
        value if isinstance(value, str) else ""
        for key, value in context.invocation_metadata() or ()
        if key == "authorization"
    ]


def _texts(context: Any) -> dict[str, str]:
    """The request's metadata; of a name that comes twice the first, "" where it is no text."""
    texts: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        texts.setdefault(key, value if isinstance(value, str) else "")
    return texts
