"""The budgets of `lumina.settings` as they are now."""

import msgspec

from lumina_api.log import consumer, partitions_of, records
from lumina_schemas.budget import KIND, Budget
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS

_decode = msgspec.json.Decoder(Budget).decode


async def budgets_set(settings: Settings) -> dict[str, Budget]:
    """Budgets by id, in the order of their ids. Raises MissingTopic, KafkaError."""
    found: dict[str, Budget] = {}
    async with consumer(settings) as reader:
        for partition in await partitions_of(settings, SETTINGS):
            async for record in records(reader, partition):
                key = (record.key or b"").decode(errors="replace")
                if not key.startswith(KIND):
                    continue
                budget_id = key.removeprefix(KIND)
                found.pop(budget_id, None)
                try:
                    if record.value:
                        found[budget_id] = _decode(record.value)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # the dlq has it
    return dict(sorted(found.items()))
