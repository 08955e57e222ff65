"""The topics that OTLP lands on: what each holds, for which project, under which Kafka id."""

from dataclasses import dataclass
from typing import Literal

from lumina_schemas.settings import Settings


@dataclass(frozen=True)
class LandingTopic:
    """One topic of raw OTLP."""

    name: str
    signal: Literal["traces", "logs"]
    project: str | None
    """The project of everything that lands here, where the setting names one."""


def landing_topics(settings: Settings) -> dict[str, LandingTopic]:
    """All landing topics by full name."""
    traces = [LandingTopic(name, "traces", project) for name, project in settings.landing_topics.items()]
    logs = [LandingTopic(name, "logs", project) for name, project in settings.landing_logs_topics.items()]
    return {topic.name: topic for topic in (*traces, *logs)}
