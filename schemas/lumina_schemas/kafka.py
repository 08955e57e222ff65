"""How to reach the user's Kafka: one set of options for every client of ours."""

import ssl
from typing import TypedDict

from lumina_schemas.settings import Settings

LOCAL_HOST = "127.0.0.1"
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
    """aiokafka's connection options for these settings; reads the CA file where one is named.

    Without bootstrap servers: the local broker on `kafka_port`. Raises KafkaSettingsError, saying which
    setting is wrong.
    """
    protocol = settings.kafka_security_protocol.upper()
    if protocol not in PROTOCOLS:
        raise KafkaSettingsError(
            f"KAFKA_SECURITY_PROTOCOL is {protocol!r}: it must be {', '.join(PROTOCOLS)}."
        )
    options = ClientOptions(
        bootstrap_servers=settings.kafka_bootstrap_servers or f"{LOCAL_HOST}:{settings.kafka_port}",
        security_protocol=protocol,
        client_id=client_id,
    )
    if protocol.endswith("SSL"):
        try:
            options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ssl_cafile or None)
        except OSError as error:  # a certificate that cannot be read or parsed
            raise KafkaSettingsError(
                f"KAFKA_SSL_CAFILE {settings.kafka_ssl_cafile!r} cannot be used: {error}"
            ) from error
    if protocol.startswith("SASL"):
        if not settings.kafka_sasl_username:
            raise KafkaSettingsError(
                f"KAFKA_SECURITY_PROTOCOL is {protocol}, but KAFKA_SASL_USERNAME is empty."
            )
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password
    return options
