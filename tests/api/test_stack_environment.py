"""Settings handed to another process arrive as they were."""

import os
from pathlib import Path

import pytest

from lumina_api.stack.environment import environment
from lumina_schemas.settings import Settings


def test_every_setting_survives_the_way_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        kafka_bootstrap_servers="a:1",
        kafka_sasl_password="s e=c\nret",
        partitions=7,
        demo=False,
        data_dir=Path("some/where"),
        cache_dir=Path("/some/cache"),
        health_port=19500,
        otlp_topics="otlp_spans=shop",
        quality_min=0.25,
    )
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environment(settings, {"PATH": "/bin"}).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings.model_copy(update={"data_dir": Path("some/where").absolute()})
    assert os.environ["PATH"] == "/bin"


def test_a_setting_at_its_default_hides_the_callers() -> None:
    assert environment(Settings.model_construct(), {"LUMINA_PARTITIONS": "9", "DEMO": "0"}) == {
        "LUMINA_DATA_DIR": str(Path(".lumina").absolute())
    }
