"""How to reach the user's Kafka: one set of options for every client of ours."""

import ssl
from typing import Any

from lumina_schemas.settings import Settings

LOCAL = "127.0.0.1:9092"


def client_options(settings: Settings) -> dict[str, Any]:
    """aiokafka's connection options for these settings; reads the CA file where one is named."""
    protocol = settings.kafka_security_protocol.upper()
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers or LOCAL,
        "security_protocol": protocol,
    }
    if protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ssl_cafile or None)
    if protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password,
        }
    return options
