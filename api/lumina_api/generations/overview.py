"""Which generations there are, and the end of one that is not needed any more."""

from dataclasses import dataclass

from lumina_api.generations import groups
from lumina_api.generations.growth import GrowthError
from lumina_api.kafka import admin_client, partition_counts
from lumina_schemas.generation import is_whole, logs_of_others
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SPANS, STREAM, TOPICS


@dataclass(frozen=True)
class Generation:
    """A generation of the topics that hold the series: their partitions by full name."""

    number: int
    topics: dict[str, int]
    whole: bool
    """False: its copy was interrupted. The generation in use counts as whole."""


async def generations(settings: Settings) -> list[Generation]:
    """Every generation that has topics, by number; raises aiokafka's KafkaError."""
    found = []
    async with admin_client(client_options(settings, "lumina-partitions")) as admin:
        counts = await partition_counts(admin)
        for number in range(1, settings.generation + len(logs_of_others(settings)) + 1):
            one = settings.in_generation(number)
            topics = {name: counts[name] for name in by_series(one) if name in counts}
            if topics:
                whole = number <= settings.generation or await is_whole(admin, one)
                found.append(Generation(number, topics, whole))
    return found


async def delete(settings: Settings, number: int) -> list[str]:
    """Delete a generation that is not in use; returns the topics that are gone. Raises GrowthError."""
    if number == settings.generation:
        raise GrowthError(
            f"Generation {number} is in use (LUMINA_GENERATION={number}): it is not deleted. Set "
            "LUMINA_GENERATION to the one that stays."
        )
    other = settings.in_generation(number)
    async with admin_client(client_options(settings, "lumina-partitions")) as admin:
        if working := await groups.members(admin, [other.app_id(STREAM)]):
            raise GrowthError(f"Workers of generation {number} are running: {', '.join(working)}. Stop them.")
        names = sorted(set(by_series(other)) & set(await admin.list_topics()))
        if not names:
            raise GrowthError(f"There is no generation {number}: {other.topic(SPANS)} does not exist.")
        await admin.delete_topics(names)
    return names


def by_series(settings: Settings) -> list[str]:
    """Full names of the topics that hold the series."""
    return [settings.topic(topic) for topic in TOPICS if topic.partitioned_by == "series"]
