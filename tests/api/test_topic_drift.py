"""How long topics keep their records: what is wanted, what differs, and what is changed only where asked."""

import asyncio

import pytest

from lumina_api.kafka import admin_client, topic_settings
from lumina_api.provision import provision, wanted
from lumina_api.topic_drift import FOR_EVER, Difference, alter, differences, retention_ms
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import CORRECTIONS, DAY_MS, DLQ, OTLP, SCORES, SPANS, TOPICS


def test_topics_follow_retention_and_what_outlasts_them_is_never_lowered() -> None:
    assert [retention_ms(topic, 30) for topic in (OTLP, SPANS)] == [30 * DAY_MS] * 2
    assert retention_ms(SPANS, 0.5) == DAY_MS // 2
    assert [retention_ms(topic, 30) for topic in (SCORES, CORRECTIONS)] == [60 * DAY_MS] * 2
    assert [retention_ms(topic, 1) for topic in (SCORES, CORRECTIONS)] == [14 * DAY_MS, 30 * DAY_MS]
    assert retention_ms(SPANS, 0) == retention_ms(SCORES, 0) == FOR_EVER
    assert retention_ms(DLQ, 30) is None


def test_as_declared_nothing_differs_at_seven_days() -> None:
    settings = Settings(retention_days=7)
    found = {settings.topic(topic): topic.settings(1_000_000) for topic in TOPICS}
    assert differences(settings, found, TOPICS) == []
    other = settings.model_copy(update={"retention_days": 10})
    assert differences(other, found, [SPANS, DLQ]) == [
        Difference("lumina.spans", "retention.ms", str(7 * DAY_MS), str(10 * DAY_MS))
    ]
    assert differences(other, {}, TOPICS) == []


@pytest.mark.kafka
async def test_they_are_changed_only_where_lumina_manages_topics(settings: Settings) -> None:
    async with admin_client(client_options(settings)) as admin:

        async def found(name: str) -> dict[str, str]:
            return (await topic_settings(admin, [settings.topic(name)]))[settings.topic(name)]

        longer = settings.model_copy(update={"retention_days": 10.0, "manage_topics": None})
        before = await found("spans")
        assert (await provision(longer)).changed == ()
        assert await found("spans") == before
        managed = longer.model_copy(update={"manage_topics": True})
        changed = (await provision(managed)).changed
        assert {change.topic for change in changed} >= {settings.topic("spans"), settings.topic("scores")}
        async with asyncio.timeout(15):  # a broker hears of it a moment later
            while (await found("scores"))["retention.ms"] != str(20 * DAY_MS):
                await asyncio.sleep(0.05)
        assert await found("spans") == before | {"retention.ms": str(10 * DAY_MS)}  # and nothing else
        assert (await provision(managed)).changed == ()
        names = [settings.topic(topic) for topic in wanted(settings)]
        assert differences(managed, await topic_settings(admin, names), TOPICS) == []


@pytest.mark.kafka
async def test_a_setting_that_kafka_refuses_is_an_error_that_names_its_topic(settings: Settings) -> None:
    wrong = Difference(settings.topic("spans"), "retention.ms", "1", "soon")
    with pytest.raises(Exception, match="spans"):
        await alter(client_options(settings), [wrong])
