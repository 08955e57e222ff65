"""Rules, prices, budgets, projects, erasures and keys through REST, over a real Kafka."""

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from api.rest.changes.running import Api
from api.rest.conftest import Rest
from api.views.span_lines import mixed_spans, span
from lumina_api.access.secret import digest_of
from lumina_api.rest.changes.budgets import period_of
from lumina_api.views import rollup
from lumina_schemas.audit import AuditEntry
from lumina_schemas.kafka import client_options
from lumina_schemas.key import ApiKey
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import Rule
from lumina_schemas.settings import Settings
from lumina_schemas.topics import AUDIT, SETTINGS, SPANS
from topic_log import everything

pytestmark = pytest.mark.kafka

RULE = {"project": "shop", "service": "checkout", "cost_spike_pct": 50.0, "off": ["no_data"]}
PRICE = {"model": "gpt-4o-mini*", "project": "shop", "input": 1.0, "output": 2.0, "from": "2026-01-01"}
BUDGET = {"project": "shop", "period": "day", "usd": 0.01}

ONE_OF_EACH: list[tuple[str, str, dict[str, Any]]] = [
    ("rules", "checkout", RULE),
    ("prices", "mini", PRICE),
    ("budgets", "shop-day", BUDGET),
]


async def produce(settings: Settings, topic: str, key: bytes | None, value: bytes | None) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(topic, value, key=key)


async def told(settings: Settings) -> list[AuditEntry]:
    records = await everything(settings, settings.topic(AUDIT))
    return [msgspec.json.decode(record.value, type=AuditEntry) for record in records]


@pytest.mark.parametrize(("kind", "name", "body"), ONE_OF_EACH, ids=[kind for kind, *_ in ONE_OF_EACH])
async def test_what_is_put_is_got_at_once_and_removed_at_once(
    api: Api, settings: Settings, kind: str, name: str, body: dict[str, Any]
) -> None:
    path = f"/api/v1/{kind}/{name}"
    await api.get(path, 404)
    await api.delete(path, 404)
    item = await api.put(path, body, who="shop-writer")
    assert {field: item["value"][field] for field in body} == body
    assert (item["id"], item["problem"], item["position"]) == (name, None, api.position)
    got = await api.get(path)
    assert (got["value"], got["position"]) == (item["value"], item["position"])
    assert [one["id"] for one in (await api.get(f"/api/v1/{kind}"))["items"]] == [name]
    (record,) = await everything(settings, settings.topic(SETTINGS))
    assert record.key.decode() == f"{kind}/{name}"
    assert record.partition == partition_of(f"{kind}/{name}", settings.partitions)
    assert got["position"] == f"{settings.topic(SETTINGS)}:{record.partition}:{record.offset}"
    await api.delete(path, who="shop-writer")
    await api.get(path, 404, at_least=api.position)
    assert (await api.get(f"/api/v1/{kind}"))["items"] == []
    entries = sorted(await told(settings), key=lambda entry: entry.at)
    one = kind.removesuffix("s")
    assert [(entry.by, entry.action, entry.target, entry.project) for entry in entries] == [
        ("shop-writer", f"{one}.set", f"{kind}/{name}", "shop"),
        ("shop-writer", f"{one}.remove", f"{kind}/{name}", "shop"),
    ]
    assert body.items() <= entries[0].change.items()
    assert entries[0].address == "127.0.0.1"


@pytest.mark.parametrize(("kind", "name", "body"), ONE_OF_EACH, ids=[kind for kind, *_ in ONE_OF_EACH])
async def test_a_key_touches_what_is_of_its_project_alone(
    api: Api, settings: Settings, kind: str, name: str, body: dict[str, Any]
) -> None:
    path = f"/api/v1/{kind}/{name}"
    await api.put(path, body, 403, who="reader")
    await api.get(path, 403, who="nobody")
    await api.put(path, body | {"project": "bank"}, 403, who="shop-writer")
    await api.put(path, body | {"project": "bank"}, who="writer")
    await api.get(path, 404, who="shop-reader")
    assert (await api.get(f"/api/v1/{kind}", who="shop-reader"))["items"] == []
    await api.get(f"/api/v1/{kind}", 403, who="shop-reader", project="bank")
    await api.put(path, body, 403, who="shop-writer")  # the id is another project's
    await api.delete(path, 404, who="shop-writer")
    assert (await api.get(path))["value"]["project"] == "bank"
    if kind != "budgets":
        everywhere = {field: value for field, value in body.items() if field != "project"}
        await api.put(f"/api/v1/{kind}/all", everywhere, 403, who="shop-writer")
        await api.put(f"/api/v1/{kind}/all", everywhere, who="writer")
    assert all(entry.by == "writer" for entry in await told(settings)), "what is refused is not told"


async def test_wrong_fields_are_named_and_nothing_is_written(api: Api, settings: Settings) -> None:
    wrongs: list[tuple[str, Any, str]] = [
        ("rules/r", RULE | {"cost_spike": 1}, "cost_spike"),
        ("rules/r", RULE | {"quality_min": 7}, "quality_min"),
        ("rules/r", RULE | {"off": ["nothing"]}, "off[0]"),
        ("rules/r", RULE | {"severity": {"nothing": "info"}}, "severity"),
        ("rules/r", RULE | {"v": 2}, "v"),
        ("rules/" + "r" * 101, RULE, "rule_id"),
        ("prices/p", PRICE | {"to": "2025-01-01"}, "body"),
        ("prices/p", PRICE | {"tiers": [{"above": 1, "imput": 1}]}, "tiers.imput"),
        ("prices/p", {"model": "x"}, "input"),
        ("budgets/b", BUDGET | {"period": "week"}, "period"),
        ("budgets/b", BUDGET | {"usd": 0}, "usd"),
        ("budgets/b", {"period": "day", "usd": 1}, "project"),
        ("projects/shop", {"retention_days": -1}, "retention_days"),
    ]
    for path, body, field in wrongs:
        problem = await api.put(f"/api/v1/{path}", body, 422)
        assert [error["parameter"] for error in problem["errors"]] == [field], problem
    text: dict[str, Any] = {
        "content": b'{"cost_spike_pct": 1e999}',
        "headers": {"content-type": "application/json"},
    }
    await api.ask("PUT", "/api/v1/rules/r", 422, **text)
    await api.ask("PUT", "/api/v1/rules/r", 422, **text | {"content": b"[1]"})
    await api.ask("PUT", "/api/v1/rules/r", 415, content=b"{}")
    await api.ask("PUT", "/api/v1/rules/r", 422, params={"dry": "1"}, json=RULE)
    assert await everything(settings, settings.topic(SETTINGS)) == []
    assert await everything(settings, settings.topic(AUDIT)) == []


async def test_lists_are_paged_and_narrowed(api: Api) -> None:
    for number in range(5):
        body = {"project": "shop" if number % 2 else "bank", "cooldown_s": number}
        await api.put(f"/api/v1/rules/r{number}", body)
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await api.get("/api/v1/rules", limit=2, **cursor)
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(seen) == [f"r{number}" for number in range(5)]
    assert {item["id"] for item in (await api.get("/api/v1/rules", project="shop"))["items"]} == {"r1", "r3"}
    await api.get("/api/v1/rules", 422, project="shop", limit=2, **cursor)
    await api.get("/api/v1/rules", 422, nothing=1)


async def test_ids_may_be_anything_and_what_others_wrote_is_shown_with_its_problem(
    api: Api, settings: Settings
) -> None:
    for name in ("a/b", "ünï códe", "%2e", "?#", "\u0001"):
        path = f"/api/v1/rules/{quote(name, safe='')}"
        assert (await api.put(path, {"cooldown_s": 1}))["id"] == name
        assert (await api.get(path))["id"] == name
        await api.delete(path)
    await produce(settings, settings.topic(SETTINGS), b"rules/odd", b'{"v":1,"quality_min":9}')
    await produce(settings, settings.topic(SETTINGS), b"later/kind", b'{"any":"thing"}')
    await api.put("/api/v1/rules/behind", {"cooldown_s": 1})
    for topic_end in await ends(settings):
        await api.get("/api/v1/rules", at_least=topic_end)
    odd = await api.get("/api/v1/rules/odd")
    assert odd["value"] is None
    assert "quality_min" in odd["problem"]


async def ends(settings: Settings) -> list[str]:
    name = settings.topic(SETTINGS)
    records = await everything(settings, name)
    return [f"{name}:{record.partition}:{record.offset}" for record in records][-50:]


async def test_a_price_shows_the_models_that_it_meets(api: Api, settings: Settings) -> None:
    now_ns = time.time_ns()
    lines = [
        span(1, start_ns=now_ns),
        span(2, start_ns=now_ns, request_model="claude-3", response_model=""),
        span(3, start_ns=now_ns, project="bank"),
        span(4, start_ns=now_ns - 90_000 * 10**9),
    ]
    value = b"\n".join(map(msgspec.json.encode, lines))
    await produce(settings, settings.topic(SPANS), None, value)
    await api.put("/api/v1/prices/mini", {"model": "GPT-4o-mini", "input": 1})
    await seen_spans(api, 4)
    (match, other) = (await api.get("/api/v1/prices/mini"))["matches"]
    assert {match["project"], other["project"]} == {"shop", "bank"}
    assert (match["request_model"], match["calls"]) == ("gpt-4o-mini", 1)
    await api.put("/api/v1/prices/mini", {"model": "gpt-4o-mini", "project": "bank", "input": 1})
    (match,) = (await api.get("/api/v1/prices/mini"))["matches"]
    assert match["project"] == "bank"


async def seen_spans(api: Api, count: int) -> None:
    async def there() -> bool:
        return api.views.applied.spans >= count

    assert await api.views.moves.until(there, 20)


async def test_a_budget_shows_what_its_period_has_cost(api: Api, settings: Settings) -> None:
    now_ns = time.time_ns()
    day_ns, _ = period_of("day", now_ns)
    month_ns, _ = period_of("month", now_ns)
    lines = [
        span(1, start_ns=now_ns, cost_usd=0.004),
        span(2, start_ns=now_ns, cost_usd=0.001, sample_rate=0.5, service="other"),
        span(3, start_ns=day_ns - 1, cost_usd=0.5),
        span(4, start_ns=month_ns - 1, cost_usd=50.0),
        span(5, start_ns=now_ns, cost_usd=0.7, project="bank"),
        span(6, start_ns=now_ns, cost_usd=None, cost_status="unknown"),
    ]
    value = b"\n".join(map(msgspec.json.encode, lines))
    await produce(settings, settings.topic(SPANS), None, value)
    await seen_spans(api, 6)
    day = await api.put("/api/v1/budgets/day", BUDGET)
    assert (day["spent_usd"], day["percent"], day["complete"]) == (
        pytest.approx(0.006),
        pytest.approx(60),
        True,
    )
    service = await api.put("/api/v1/budgets/service", BUDGET | {"service": "checkout", "usd": 0.002})
    assert (service["spent_usd"], service["percent"]) == (pytest.approx(0.004), pytest.approx(200))
    month = await api.put("/api/v1/budgets/month", BUDGET | {"period": "month"})
    yesterday = 0.5 if day_ns > month_ns else 0.0
    assert month["spent_usd"] == pytest.approx(0.006 + yesterday)
    assert month["complete"]  # views of tests keep everything
    assert month["period_start"] == datetime.now(UTC).strftime("%Y-%m-01T00:00:00.000000000Z")
    listed = {item["id"]: item["percent"] for item in (await api.get("/api/v1/budgets"))["items"]}
    assert listed == {"day": day["percent"], "service": service["percent"], "month": month["percent"]}


def test_what_is_rolled_up_has_cost_the_same(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "QUIET_S", 0.0)
    now_ns = time.time_ns()
    for id, period, service in (("d", "day", ""), ("m", "month", ""), ("s", "month", "web")):
        value = {"v": 1, "project": "shop", "period": period, "usd": 1, "service": service}
        rest.apply(rest.log._append("settings", 0, f"budgets/{id}".encode(), msgspec.json.encode(value)))
    rest.apply(rest.log.spans(mixed_spans(300, seed=5, newest_ns=now_ns)))

    def spent() -> dict[str, float]:
        return {item["id"]: item["spent_usd"] for item in rest.items("budgets")}

    before = spent()
    assert 0 < before["s"] < before["m"]
    while rest.store.roll_up():
        continue
    with rest.views.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM rolled").fetchone() != (0,)
    assert spent() == pytest.approx(before)
    late = span(9000, start_ns=now_ns - 3600 * 10**9, cost_usd=1.5)
    rest.apply(rest.log.spans([late]))
    assert spent()["m"] == pytest.approx(
        before["m"] + (1.5 if period_of("month", now_ns)[0] <= late.start_ns else 0)
    )


def test_periods_are_of_utc() -> None:
    at = int(datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC).timestamp()) * 10**9

    def ns(*day: int) -> int:
        return int(datetime(*day, tzinfo=UTC).timestamp()) * 10**9  # type: ignore[misc, arg-type]

    assert period_of("day", at) == (ns(2024, 2, 29), ns(2024, 3, 1))
    assert period_of("month", at) == (ns(2024, 2, 1), ns(2024, 3, 1))
    assert period_of("month", ns(2025, 12, 31)) == (ns(2025, 12, 1), ns(2026, 1, 1))


async def test_projects_are_those_seen_and_those_set(api: Api, settings: Settings) -> None:
    value = msgspec.json.encode(span(1))
    await produce(settings, settings.topic(SPANS), None, value)
    await seen_spans(api, 1)
    await api.put("/api/v1/projects/bank", {"retention_days": 1, "daily_trace_limit": 0}, who="admin")
    await api.put("/api/v1/projects/bank", {}, 403, who="writer")
    await api.put("/api/v1/projects/bank", {}, 403, who="shop-admin")
    bank, shop = (await api.get("/api/v1/projects", who="reader"))["items"]
    assert (bank["name"], bank["retention_days"], bank["daily_trace_limit"]) == ("bank", 1, 0)
    assert bank["settings"] == {"v": 1, "retention_days": 1, "daily_trace_limit": 0}
    assert (shop["name"], shop["settings"], shop["retention_days"], shop["daily_trace_limit"]) == (
        "shop",
        None,
        0,  # for ever, in tests
        50_000,
    )
    assert shop["last_trace"] == "2026-01-01T12:00:01.000000000Z"
    first = await api.get("/api/v1/projects", limit=1)
    assert first["next_after"] == "bank"
    assert [one["name"] for one in (await api.get("/api/v1/projects", after="bank"))["items"]] == ["shop"]
    only = await api.get("/api/v1/projects", who="shop-reader")
    assert [one["name"] for one in only["items"]] == ["shop"]
    await api.get("/api/v1/projects/bank", 404, who="shop-reader")
    await api.get("/api/v1/projects/nobody", 404)
    await api.put("/api/v1/projects/shop", {"retention_days": 36500}, who="shop-admin")
    await api.delete("/api/v1/projects/shop", who="shop-admin")
    assert (await api.get("/api/v1/projects/shop"))["settings"] is None


async def test_a_secret_is_shown_once_and_kept_nowhere(api: Api, settings: Settings) -> None:
    await api.post("/api/v1/keys", {"scopes": ["read"]}, 403, who="writer")
    await api.get("/api/v1/keys", 403, who="writer")
    body = {
        "name": "wall",
        "scopes": ["read", "ingest"],
        "project": "shop",
        "expires_at": "2100-01-01T00:00:00Z",
    }
    made = await api.post("/api/v1/keys", body, 201, who="admin")
    assert api.headers["cache-control"] == "no-store"
    prefix, id, secret = made["key"].split("_", 2)
    assert (prefix, id, len(secret)) == ("lk", made["id"], 43)
    (record,) = await everything(settings, settings.topic(SETTINGS))
    stored = msgspec.json.decode(record.value, type=ApiKey)
    assert (stored.sha256, stored.scopes, stored.created_by) == (
        digest_of(secret),
        ("read", "ingest"),
        "admin",
    )
    shown = await api.get(f"/api/v1/keys/{id}", who="admin")
    assert (shown["name"], shown["active"], shown["revoked_at"], shown["last_used"]) == (
        "wall",
        True,
        None,
        None,
    )
    texts = [
        (await api.client.get(path)).text for path in ("/api/v1/keys", f"/api/v1/keys/{id}", "/api/v1/audit")
    ]
    kept = [record.value.decode() for record in await everything(settings, settings.topic(AUDIT))]
    for text in (*texts, *kept):
        assert secret not in text
        assert stored.sha256 not in text
    revoked = await api.post(f"/api/v1/keys/{id}/revoke", who="shop-admin")
    assert revoked["active"] is False
    again = await api.post(f"/api/v1/keys/{id}/revoke", who="admin")
    assert again["revoked_at"] == revoked["revoked_at"]
    actions = [entry.action for entry in sorted(await told(settings), key=lambda entry: entry.at)]
    assert actions == ["key.create", "key.revoke"]
    await api.post("/api/v1/keys/ffffffffffffffff/revoke", expect=404, who="admin")
    await api.post("/api/v1/keys", {"scopes": []}, 422, who="admin")
    await api.post("/api/v1/keys", {"scopes": ["root"]}, 422, who="admin")
    await api.post(
        "/api/v1/keys", {"scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, 422, who="admin"
    )
    await api.post("/api/v1/keys", {"scopes": ["admin"]}, 403, who="shop-admin")
    await api.post("/api/v1/keys", {"scopes": ["admin"], "project": "bank"}, 403, who="shop-admin")
    other = await api.post("/api/v1/keys", {"scopes": ["read"], "project": "bank"}, 201, who="admin")
    await api.get(f"/api/v1/keys/{other['id']}", 404, who="shop-admin")
    await api.post(f"/api/v1/keys/{other['id']}/revoke", expect=404, who="shop-admin")


async def test_erasures_are_made_listed_and_removed(api: Api, settings: Settings) -> None:
    await api.post("/api/v1/erasures", {"project": "shop"}, 422)
    await api.post("/api/v1/erasures", {"project": "shop", "before": "2100-01-01T00:00:00Z"}, 422)
    await api.post("/api/v1/erasures", {"project": "shop", "before": "1969-01-01T00:00:00Z"}, 422)
    await api.post("/api/v1/erasures", {"project": "shop", "user_id": "u"}, 403, who="writer")
    await api.post("/api/v1/erasures", {"project": "bank", "user_id": "u"}, 403, who="shop-admin")
    made = await api.post("/api/v1/erasures", {"project": "shop", "user_id": "u-4711"}, 201, who="shop-admin")
    assert (made["value"]["user_id"], made["value"]["by"]) == ("u-4711", "shop-admin")
    assert abs(made["value"]["before_ns"] - time.time_ns()) < 60 * 10**9
    assert [one["id"] for one in (await api.get("/api/v1/erasures"))["items"]] == [made["id"]]
    assert (await api.get(f"/api/v1/erasures/{made['id']}"))["value"] == made["value"]
    (entry,) = await told(settings)
    assert entry.action == "erasure.create"
    assert "u-4711" not in str(entry)
    await api.delete(f"/api/v1/erasures/{made['id']}", who="shop-admin")
    await api.get(f"/api/v1/erasures/{made['id']}", 404)


async def test_settings_name_what_is_in_force_and_no_secret(api: Api) -> None:
    await api.get("/api/v1/settings", 403, who="writer")
    await api.get("/api/v1/settings", 403, who="shop-admin")
    secret = "s" * 40
    api.views.settings = api.views.settings.model_copy(
        update={"admin_key": secret, "kafka_sasl_password": secret}
    )
    found = {item["name"]: item for item in (await api.get("/api/v1/settings", who="admin"))["items"]}
    assert secret not in str(found)
    assert found["LUMINA_ADMIN_KEY"] == {
        "name": "LUMINA_ADMIN_KEY",
        "value": None,
        "default": False,
        "secret": True,
        "description": found["LUMINA_ADMIN_KEY"]["description"],
    }
    assert found["LUMINA_COST_SPIKE_PCT"]["value"] == 20.0
    assert found["LUMINA_TOPIC_PREFIX"]["default"] is False
    assert found["LUMINA_VIEWS_PATH"]["value"].endswith("views.duckdb")
    assert found.keys() >= {"KAFKA_BOOTSTRAP_SERVERS", "AUTH_REQUIRED", "DEMO"}


async def test_the_audit_log_is_filtered_and_paged(api: Api, settings: Settings) -> None:
    await api.get("/api/v1/audit", 403, who="writer")
    for number, who in enumerate(("writer", "shop-writer", "writer")):
        await api.put(f"/api/v1/rules/r{number}", RULE | {"cooldown_s": number}, who=who)
    await api.put("/api/v1/budgets/b", BUDGET | {"project": "bank"}, who="writer")

    async def targets(**asked: Any) -> list[str]:
        items = (await api.get("/api/v1/audit", who="admin", **asked))["items"]
        assert [item["at"] for item in items] == sorted((item["at"] for item in items), reverse=True)
        return [item["target"] for item in items]

    async def all_there() -> bool:
        return len(await targets()) == 4

    assert await api.views.moves.until(all_there, 20)
    assert await targets() == ["budgets/b", "rules/r2", "rules/r1", "rules/r0"]
    assert await targets(by="shop-writer") == ["rules/r1"]
    assert await targets(by=["shop-writer", "writer"], action="rule.set") == [
        "rules/r2",
        "rules/r1",
        "rules/r0",
    ]
    assert await targets(target="rules/r0") == ["rules/r0"]
    assert await targets(project="bank") == ["budgets/b"]
    assert await targets(since="1h") == await targets()
    assert await targets(until="1h") == []
    page = await api.get("/api/v1/audit", who="admin", limit=3)
    assert await targets(limit=3, cursor=page["next_cursor"]) == ["rules/r0"]
    await api.get("/api/v1/audit", 422, who="admin", by="x", limit=3, cursor=page["next_cursor"])
    own = await api.get("/api/v1/audit", who="shop-admin")
    assert {item["project"] for item in own["items"]} == {"shop"}


async def test_a_rule_has_the_checks_of_the_command(api: Api) -> None:
    item = await api.put("/api/v1/rules/x", {"v": 1, "severity": {"cost_spike": "info"}, "min_samples": 10})
    assert msgspec.convert(item["value"], Rule).min_samples == 10
    await api.put("/api/v1/rules/x", {"min_samples": 9}, 422)
