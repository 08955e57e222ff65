"""How this package's clients reach Kafka: the shared options, with wrong settings said in a user's words."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict, cast

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from lumina_schemas import kafka
from lumina_schemas.settings import Settings

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


class ClientOptions(TypedDict, total=False):
    """Connection options that every aiokafka client (producer, consumer, admin) takes."""

    bootstrap_servers: str
    security_protocol: str
    ssl_context: ssl.SSLContext
    sasl_mechanism: str
    sasl_plain_username: str
    sasl_plain_password: str
    client_id: str


class KafkaSettingsError(ValueError):
    """The Kafka settings contradict each other or name a file that cannot be used."""


def client_options(settings: Settings, client_id: str = "lumina") -> ClientOptions:
    """Options for aiokafka clients. Raises KafkaSettingsError, saying which setting is wrong."""
    protocol = settings.kafka_security_protocol.upper()
    if protocol not in PROTOCOLS:
        raise KafkaSettingsError(
            f"KAFKA_SECURITY_PROTOCOL is {protocol!r}: it must be {', '.join(PROTOCOLS)}."
        )
    if protocol.startswith("SASL") and not settings.kafka_sasl_username:
        raise KafkaSettingsError(f"KAFKA_SECURITY_PROTOCOL is {protocol}, but KAFKA_SASL_USERNAME is empty.")
    if not settings.kafka_bootstrap_servers:
        local = f"127.0.0.1:{settings.kafka_port}"
        settings = settings.model_copy(update={"kafka_bootstrap_servers": local})
    try:
        options = cast(ClientOptions, kafka.client_options(settings))
    except OSError as error:  # a certificate that cannot be read or parsed
        raise KafkaSettingsError(
            f"KAFKA_SSL_CAFILE {settings.kafka_ssl_cafile!r} cannot be used: {error}"
        ) from error
    options["client_id"] = client_id
    return options


@asynccontextmanager
async def admin_client(options: ClientOptions) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client for the length of an `async with` block."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def is_up(options: ClientOptions) -> bool:
    """Whether a broker answers and knows of itself as part of the cluster."""
    try:
        async with admin_client(options) as admin:
            return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False


async def partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Partitions of each topic whose partitions all have a leader, by full name."""
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if not topic["error_code"] and all(p["leader"] >= 0 for p in topic["partitions"])
    }
