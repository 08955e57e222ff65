"""The limit of a project: what is settled for it, else the installation's."""

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from lumina_api.demo import PROJECT
from lumina_api.demo.limit import lift
from lumina_api.door import put
from lumina_api.follower import Follower
from lumina_api.usage.limits import Limits
from lumina_schemas.project import ProjectSettings
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS


class Record:
    """A record of `lumina.settings`."""

    def __init__(self, key: str, value: bytes | None) -> None:
        self.key, self.value = key.encode(), value


def settled(limits: Limits, key: str, value: bytes | None) -> None:
    records: list[Any] = [Record(key, value)]
    limits.apply(records)


def test_a_project_s_own_limit_comes_first_and_goes_with_its_record() -> None:
    limits = Limits(Settings(daily_trace_limit=7))
    assert limits.of("shop") == 7
    settled(limits, "projects/shop", b'{"v":1,"daily_trace_limit":0}')
    settled(limits, "projects/bank", b'{"v":1,"retention_days":3}')
    settled(limits, "rules/shop", b'{"v":1,"daily_trace_limit":5}')
    assert (limits.of("shop"), limits.of("bank"), limits.of("other")) == (0, 7, 7)
    settled(limits, "projects/shop", None)
    assert limits.of("shop") == 7


def test_what_cannot_be_read_changes_nothing_and_is_said() -> None:
    limits = Limits(Settings(daily_trace_limit=7))
    settled(limits, "projects/shop", b'{"v":1,"daily_trace_limit":5}')
    with capture_logs() as logs:
        settled(limits, "projects/shop", b'{"v":1,"daily_trace_limit":-5}')
    assert limits.of("shop") == 5
    assert [entry["project"] for entry in logs] == ["shop"]


def test_reading_anew_keeps_the_old_limits_until_it_is_done() -> None:
    limits = Limits(Settings(daily_trace_limit=7))
    settled(limits, "projects/shop", b'{"v":1,"daily_trace_limit":5}')
    limits.begin()
    assert limits.of("shop") == 5
    settled(limits, "projects/bank", b'{"v":1,"daily_trace_limit":6}')
    limits.complete()
    assert (limits.of("shop"), limits.of("bank")) == (7, 6), "shop went while nobody looked"
    settled(limits, "projects/bank", None)
    assert limits.of("bank") == 7


@pytest.mark.kafka
async def test_the_demo_has_no_limit_unless_one_is_settled_for_it(settings: Settings) -> None:
    async def of_the_demo() -> int:
        limits = Limits(settings)
        await Follower(settings, SETTINGS, limits).once()
        return limits.of(PROJECT)

    async def settle(own: ProjectSettings) -> None:
        await put(settings, SETTINGS, f"projects/{PROJECT}", msgspec.json.encode(own))

    assert await of_the_demo() == settings.daily_trace_limit
    await settle(ProjectSettings(v=1, retention_days=2))
    await lift(settings)
    assert await of_the_demo() == 0
    await settle(ProjectSettings(v=1, daily_trace_limit=9))
    await lift(settings)
    assert await of_the_demo() == 9
