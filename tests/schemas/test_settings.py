"""Settings come from the environment under the names that the docs tell."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lumina_schemas.settings import Settings, variable
from lumina_schemas.topics import SPANS, TOPICS


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


def test_a_generation_names_the_topics_and_the_group_of_the_series_alone() -> None:
    first, second = Settings(), Settings(generation=2)
    assert first.topic("spans") == "lumina.spans"
    assert second.topic("spans") == second.topic(SPANS) == "lumina.spans-2"
    assert second.topic("stream-detect-changelog") == "lumina.stream-2-detect-changelog"
    assert (first.app_id("stream"), second.app_id("stream")) == ("lumina.stream", "lumina.stream-2")
    assert second.app_id("actor") == "lumina.actor"
    unchanged = [topic for topic in TOPICS if topic.partitioned_by != "series"]
    assert [second.topic(topic) for topic in unchanged] == [first.topic(topic) for topic in unchanged]
    assert len({second.topic(topic) for topic in TOPICS} - {first.topic(topic) for topic in TOPICS}) == 2


def test_a_generation_is_a_number_from_one_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMINA_GENERATION", "3")
    assert Settings().topic(SPANS) == "lumina.spans-3"
    monkeypatch.setenv("LUMINA_GENERATION", "0")
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Settings()
