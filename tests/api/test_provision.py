"""Topics at start-up, on a real Kafka."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from lumina_api.kafka import admin_client, partition_counts
from lumina_api.provision import ProvisionError, provision, remove, wanted
from lumina_api.stack.ports import free_port
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DETECT_CHANGELOG, OTLP, SPANS, TOPICS

pytestmark = pytest.mark.kafka


@pytest.fixture
async def bare(kafka: str, tmp_path: Path) -> AsyncIterator[Settings]:
    """Settings whose topics do not exist yet."""
    settings = Settings(
        kafka_bootstrap_servers=kafka, topic_prefix=f"p{uuid.uuid4().hex[:8]}.", partitions=6, replication=-1
    )
    yield settings
    await remove(settings)


@pytest.fixture
async def admin(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    async with admin_client(client_options(Settings(kafka_bootstrap_servers=kafka))) as admin:
        yield admin


async def until_known(admin: AIOKafkaAdminClient, name: str) -> None:
    async with asyncio.timeout(15):
        while name not in await partition_counts(admin):
            await asyncio.sleep(0.05)


async def test_creates_all_with_their_settings_and_the_brokers_replication(
    bare: Settings, admin: AIOKafkaAdminClient
) -> None:
    done = await provision(bare)
    assert set(done.created) == {bare.topic(topic) for topic in wanted(bare)}
    assert set(done.partitions.values()) == {6}
    resources = [ConfigResource(ConfigResourceType.TOPIC, bare.topic(topic)) for topic in wanted(bare)]
    found: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _, _, _, name, entries in response.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    for topic in wanted(bare):
        expected = topic.settings(bare.max_message_bytes)
        assert {key: found[bare.topic(topic)][key] for key in expected} == expected


async def test_a_second_time_changes_nothing(settings: Settings) -> None:
    again = await provision(settings)
    assert again.created == ()
    assert set(again.partitions.values()) == {4}


async def test_optional_topics_are_left_out(settings: Settings) -> None:
    optional = {settings.topic(topic) for topic in TOPICS if topic.optional}
    assert optional
    assert not optional & (await provision(settings)).partitions.keys()


async def test_two_at_once_both_succeed(bare: Settings) -> None:
    one, two = await asyncio.gather(provision(bare), provision(bare))
    assert one.partitions == two.partitions


@pytest.mark.parametrize(("spans", "changelog"), [(6, 5), (5, 6)])
async def test_unequal_topics_of_the_series_are_an_error_that_names_them(
    bare: Settings, admin: AIOKafkaAdminClient, spans: int, changelog: int
) -> None:
    for topic, count in ((SPANS, spans), (DETECT_CHANGELOG, changelog)):
        await admin.create_topics([NewTopic(bare.topic(topic), count, 1)])
        await until_known(admin, bare.topic(topic))
    with pytest.raises(ProvisionError) as error:
        await provision(bare)
    assert f"{bare.topic(SPANS)} has {spans}" in str(error.value)
    assert f"{bare.topic(DETECT_CHANGELOG)} has {changelog}" in str(error.value)
    assert bare.topic(OTLP) not in await partition_counts(admin)  # nothing is made of a wrong start


async def test_a_missing_sibling_gets_the_partitions_of_the_existing_one(
    bare: Settings, admin: AIOKafkaAdminClient
) -> None:
    await admin.create_topics([NewTopic(bare.topic(SPANS), 3, 1)])
    await until_known(admin, bare.topic(SPANS))
    done = await provision(bare)
    assert done.partitions[bare.topic(DETECT_CHANGELOG)] == 3
    assert done.partitions[bare.topic(OTLP)] == 6


async def test_a_landing_topic_that_does_not_exist_is_an_error(bare: Settings) -> None:
    name = f"{bare.topic_prefix}collector"
    landing = bare.model_copy(update={"otlp_topics": f"{name}=shop"})
    with pytest.raises(ProvisionError, match=f"{name} do not exist.*LUMINA_OTLP_TOPICS"):
        await provision(landing)


async def test_an_impossible_replication_is_an_error_that_says_what_to_check(bare: Settings) -> None:
    with pytest.raises(ProvisionError, match=r"InvalidReplicationFactorError.*LUMINA_REPLICATION"):
        await provision(bare.model_copy(update={"replication": 99}))


async def test_no_broker_is_an_error_that_names_the_address() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    with pytest.raises(ProvisionError, match=f"Kafka at {nowhere}.*KAFKA_BOOTSTRAP_SERVERS"):
        await provision(Settings(kafka_bootstrap_servers=nowhere), deadline_s=5)
