"""The Kafka settings as clients get them; wrong ones are named."""

import pytest

from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings


def test_without_a_cluster_it_is_the_local_broker_on_its_port() -> None:
    local = Settings().model_copy(update={"kafka_bootstrap_servers": "", "kafka_port": 19501})
    assert client_options(local, "lumina-test") == {
        "bootstrap_servers": "127.0.0.1:19501",
        "security_protocol": "PLAINTEXT",
        "client_id": "lumina-test",
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kafka_security_protocol": "TLS"}, "KAFKA_SECURITY_PROTOCOL is 'TLS'"),
        ({"kafka_security_protocol": "SASL_SSL"}, "KAFKA_SASL_USERNAME is empty"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_cafile": "/no/such.pem"}, "KAFKA_SSL_CAFILE"),
        ({"kafka_security_protocol": "SSL", "kafka_ssl_cafile": __file__}, "KAFKA_SSL_CAFILE"),
    ],
)
def test_contradicting_kafka_settings_name_the_setting(wrong: dict[str, str], said: str) -> None:
    with pytest.raises(KafkaSettingsError, match=said):
        client_options(Settings().model_copy(update=wrong))


def test_credentials_reach_the_client() -> None:
    options = client_options(
        Settings(
            kafka_bootstrap_servers="a:1,b:2",
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="user",
            kafka_sasl_password="secret",
        )
    )
    assert options["bootstrap_servers"] == "a:1,b:2"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert options["sasl_plain_password"] == "secret"
    assert options["ssl_context"].check_hostname
