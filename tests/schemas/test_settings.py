"""Settings come from the environment under the names that the docs tell."""

from pathlib import Path

import pytest

from lumina_schemas.settings import Settings, variable


def test_a_standard_name_has_no_prefix() -> None:
    assert variable("kafka_bootstrap_servers") == "KAFKA_BOOTSTRAP_SERVERS"
    assert variable("demo") == "DEMO"
    assert variable("port") == "LUMINA_PORT"


def test_an_empty_folder_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMINA_CACHE_DIR", "")
    monkeypatch.setenv("LUMINA_VIEWS_PATH", "")
    assert Settings().cache_dir is None
    assert Settings().views_path is None


def test_the_cache_may_be_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home-of-somebody")
    monkeypatch.setenv("LUMINA_CACHE_DIR", "~/jars")
    assert Settings().cache_dir == Path("/home-of-somebody/jars")
    monkeypatch.setenv("LUMINA_CACHE_DIR", "~nobody-of-this-name/jars")
    assert Settings().cache_dir == Path("~nobody-of-this-name/jars")
