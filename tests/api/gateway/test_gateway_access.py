"""OTLP by keys, over HTTP and gRPC: who may send, and whose the spans are, whatever they say themselves."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc import aio
from hypothesis import given
from hypothesis import strategies as st
from msgspec import ValidationError, convert

from api.access.keyrings import key, lying, revoked, tell
from lumina_api.gateway.doorway import _checked
from lumina_api.gateway.refusal import Refusal
from lumina_schemas.key import KeyProject
from lumina_schemas.settings import Settings
from lumina_streams.core.otlp import project_named

pytestmark = pytest.mark.kafka

JSON = "application/json"
SPAN = b'{"resourceSpans":[{"resource":{"attributes":[{"key":"lumina.project","value":{"stringValue":"bank"}}]},"scopeSpans":[{"spans":[{"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"chat"}]}]}]}'  # noqa: E501

SHOP, ANY, READ, GONE = key("ingest", project="shop"), key("ingest"), key("read", "write"), key("admin")


@pytest.fixture
async def gateway(settings: Settings, running_gateway: Any, eventually: Any) -> AsyncIterator[Any]:
    closed = settings.model_copy(update={"auth_required": True})
    async with running_gateway(closed) as started:
        await eventually(lambda: not started.doorway.reasons, 20, "the gateway is not ready")
        tell(started.doorway.keyring, *(made.record for made in (SHOP, ANY, READ)), lying(revoked(GONE)))
        yield started


async def refusal_of(gateway: Any, metadata: tuple[tuple[str, str], ...]) -> Any:
    with pytest.raises(aio.AioRpcError) as caught:
        await gateway.call("traces", b"", metadata=metadata)
    return caught.value


async def test_over_http(gateway: Any) -> None:
    async def send(made: Any, **more: str) -> Any:
        return await gateway.post("/v1/traces", SPAN, JSON, authorization=f"Bearer {made.text}", **more)

    for path in ("/v1/traces", "/v1/logs", "/v1/metrics"):
        for kind in (JSON, "application/x-protobuf"):
            answer = await gateway.post(path, b"", kind)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.headers["content-type"] == kind
            code = answer.json()["code"] if kind == JSON else Status.FromString(answer.content).code
            assert code == 16
    assert (await send(GONE)).status_code == 401
    assert (await send(key("ingest"))).status_code == 401
    denied = await send(READ)
    assert (denied.status_code, denied.json()["code"]) == (403, 7)
    assert (await send(SHOP, x_lumina_project="bank")).status_code == 403
    basic = await gateway.post("/v1/traces", SPAN, JSON, authorization="Basic dXNlcjpwYXNz")
    assert basic.status_code == 401
    assert await gateway.landed() == []
    assert (await send(SHOP)).status_code == 200
    assert (await send(SHOP, x_lumina_project="shop")).status_code == 200
    assert (await send(ANY, x_lumina_project="bank")).status_code == 200
    assert (await send(ANY)).status_code == 200
    headers = sorted(message.headers for message in await gateway.landed())
    assert headers == [(), *[(("lumina-project", name),) for name in (b"bank", b"shop", b"shop")]]


async def test_over_grpc(gateway: Any) -> None:
    def shown(made: Any, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {made.text}"), *more)

    for metadata, code in (
        ((), grpc.StatusCode.UNAUTHENTICATED),
        (shown(GONE), grpc.StatusCode.UNAUTHENTICATED),
        (shown(SHOP) * 2, grpc.StatusCode.UNAUTHENTICATED),
        (shown(READ), grpc.StatusCode.PERMISSION_DENIED),
        (shown(SHOP, ("x-lumina-project", "bank")), grpc.StatusCode.PERMISSION_DENIED),
    ):
        error = await refusal_of(gateway, metadata)
        assert error.code() is code, error.details()
        trailing = dict(error.trailing_metadata())
        assert Status.FromString(trailing["grpc-status-details-bin"]).code == code.value[0]
    for signal in ("logs", "metrics"):
        with pytest.raises(aio.AioRpcError):
            await gateway.call(signal, b"")
    from lumina_streams.core.otlp import TRACES, decode_json

    body = decode_json(TRACES, SPAN).SerializeToString()
    await gateway.call("traces", body, metadata=shown(SHOP))
    (message,) = await gateway.landed()
    assert message.headers == (("lumina-project", b"shop"),)


async def test_pages_of_the_gateway(gateway: Any) -> None:
    get = gateway.client.get
    assert (await get("/health")).status_code == 200
    assert (await get("/ready")).json()["status"] == "ready"
    assert (await get("/metrics")).status_code == 401
    for made, status in ((SHOP, 403), (READ, 200)):
        page = await get("/metrics", headers={"authorization": f"Bearer {made.text}"})
        assert page.status_code == status


@given(st.from_regex(r"[A-Za-z0-9._/ -]{1,8}", fullmatch=True) | st.text(max_size=120), st.text())
def test_a_project_that_the_gateway_takes_is_the_one_that_spans_get(project: str, named: str) -> None:
    """Whatever the resource says: a name that normalise took for none would leave the word to the sender."""
    try:
        checked = _checked(project)
    except Refusal:
        return
    assert project_named(checked.decode(), named) == project


@given(st.text(max_size=110))
def test_a_project_that_a_key_can_have_is_one_that_the_gateway_takes(project: str) -> None:
    try:
        convert(project, KeyProject)
    except ValidationError:
        return
    assert project == "" or _checked(project) == project.encode()
