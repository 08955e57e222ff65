"""What a gateway tells of itself: metrics in both formats, and its last requests without what was in them."""

import asyncio
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as text
from prometheus_client.samples import Sample

from lumina_api.doctor.ingest import ingest_of
from lumina_api.gateway.measures import MOST_PROJECTS, Measures
from lumina_api.gateway.recent import MOST_CHARS, MOST_SHOWN, Recent
from lumina_api.usage.report import ProjectUsage

SECRET = "a prompt that nobody else should read"


def request_of(prompt: str = SECRET) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    span.attributes.add(key="prompt").value.string_value = prompt
    body: bytes = request.SerializeToString()
    return body


def samples(families: Any) -> dict[str, Sample]:
    return {
        ",".join((sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))): sample
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        (
            "application/openmetrics-text; version=odd",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
@pytest.mark.kafka
async def test_metrics_in_the_format_that_is_asked_for(gateway: Any, accept: str, content_type: str) -> None:
    await gateway.post("/v1/traces", request_of())
    page = await gateway.client.get("/metrics", headers={"accept": accept})
    assert (page.status_code, page.headers["content-type"]) == (200, content_type)
    is_open = "openmetrics" in content_type
    assert page.text.endswith("# EOF\n") == is_open
    families: Any = parser.text_string_to_metric_families  # without types
    found = samples(families(page.text) if is_open else text(page.text))
    assert found["lumina_gateway_requests_total,encoding=protobuf,signal=traces,status=200"].value == 1
    assert found["lumina_gateway_request_seconds_count,signal=traces"].value == 1
    assert found["lumina_gateway_request_seconds_bucket,le=10.0,signal=traces"].value == 1
    assert found["lumina_gateway_traces_today,project=default"].value == 1


def test_projects_beyond_a_bound_have_no_figures_of_their_own() -> None:
    usages = [
        ProjectUsage(
            project=f"p{number}",
            traces=number,
            estimated=False,
            limit=0,
            percent=None,
            refused_spans=0,
            resets_at="",
        )
        for number in range(300)
    ]
    page, _ = Measures(lambda: usages).page("")
    shown = [key for key in samples(text(page.decode())) if key.startswith("lumina_gateway_traces_today")]
    assert len(shown) == MOST_PROJECTS
    assert "lumina_gateway_traces_today,project=p299" in shown
    assert "lumina_gateway_traces_today,project=p0" not in shown


@pytest.mark.kafka
async def test_the_last_requests_say_what_became_of_them(gateway: Any) -> None:
    agent = {"user_agent": "shop/1.0"}
    await gateway.post("/v1/traces", request_of(), x_lumina_project="shop", **agent)
    await gateway.post("/v1/traces", SECRET.encode(), **agent)
    await gateway.post("/v1/logs", SECRET.encode(), "text/plain")
    await gateway.call("traces", request_of(), metadata=(("x-lumina-project", "bank"),))
    answer = await gateway.client.get("/ingest")
    assert answer.headers["content-type"] == "application/json"
    assert SECRET not in answer.text
    here = gateway.settings.model_copy(update={"otlp_http_port": gateway.http_port})
    assert len(await asyncio.to_thread(ingest_of, here)) == 4, "`lumina doctor ingest` reads it"
    good, junk, odd, grpc = answer.json()
    assert good | {"at": ""} == {
        "at": "",
        "transport": "http",
        "signal": "traces",
        "project": "shop",
        "status": "200",
        "spans": 1,
        "rejected": 0,
        "reason": "",
        "client": "shop/1.0",
    }
    assert good["at"].endswith("Z")
    assert (junk["status"], junk["spans"]) == ("400", 0)
    assert junk["reason"].startswith("The body is no ExportTraceServiceRequest in protobuf")
    assert (odd["status"], odd["signal"]) == ("415", "logs")
    assert "application/x-protobuf" in odd["reason"]
    assert (grpc["transport"], grpc["status"], grpc["project"]) == ("grpc", "OK", "bank")
    assert grpc["client"].startswith("grpc-python")


@pytest.mark.kafka
@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
async def test_what_comes_through_a_proxy_does_not_see_them(gateway: Any, header: str) -> None:
    answer = await gateway.client.get("/ingest", headers={header: "10.1.2.3"})
    assert answer.status_code == 403
    assert "loopback" in answer.json()["detail"]


def test_they_are_few_and_what_senders_wrote_is_cut() -> None:
    recent = Recent()
    for number in range(50):
        recent.add("http", "traces", str(number), project="p" * 9_999, client="u" * 9_999, reason="r" * 9_999)
    assert [request.status for request in recent.all()] == [
        str(number) for number in range(50 - MOST_SHOWN, 50)
    ]
    assert {len(recent.all()[0].client), len(recent.all()[0].project), len(recent.all()[0].reason)} == {
        MOST_CHARS
    }
