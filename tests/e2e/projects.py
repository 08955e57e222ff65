"""What the agent of the projects holds, by its changelog."""

from e2e.truth import records
from lumina_schemas.settings import Settings
from lumina_schemas.topics import PROJECTS_CHANGELOG
from lumina_streams.core.project.state import ALL, ProjectState, Sum
from lumina_streams.core.series.revision import is_newer, payload_of


async def project(settings: Settings, name: str) -> ProjectState:
    """A project as it was stored last."""
    newest: bytes | None = None
    for record in await records(settings, settings.topic(PROJECTS_CHANGELOG)):
        if record.key == b"p|" + name.encode() and is_newer(record.value, newest):
            newest = record.value
    return ProjectState(name) if newest is None else ProjectState.unpack(payload_of(newest))


async def spent(settings: Settings, name: str, service: str = ALL) -> Sum:
    """What a project, or a service of it, has spent in this month and the one before."""
    state, total = await project(settings, name), Sum()
    if service in state.spent:
        for one in state.spent[service].months.values():
            total.nano_usd += one.nano_usd
            total.calls += one.calls
            total.unpriced += one.unpriced
    return total
