"""The limit of each project: its own from `lumina.settings` (`projects/<name>`), else the installation's."""

from collections.abc import Sequence

import msgspec
import structlog
from aiokafka import ConsumerRecord

from lumina_schemas.project import KIND, ProjectSettings
from lumina_schemas.settings import Settings

log = structlog.get_logger(__name__)

_PREFIX = KIND.encode()
_DECODER = msgspec.json.Decoder(ProjectSettings)


class Limits:
    """Distinct traces a day of each project; a Reading of `lumina.settings`."""

    def __init__(self, settings: Settings, quiet: bool = False) -> None:
        self._quiet = quiet
        self.default = settings.daily_trace_limit
        self._own: dict[str, ProjectSettings] = {}
        self._found = self._own

    def of(self, project: str) -> int:
        """A project's limit; 0 = none."""
        limit = own.daily_trace_limit if (own := self._own.get(project)) else None
        return self.default if limit is None else limit

    def own(self, project: str) -> ProjectSettings | None:
        """What is settled for a project itself."""
        return self._own.get(project)

    def begin(self) -> None:
        """What went while nobody looked leaves no trace: begin with nothing."""
        self._found = {}

    def apply(self, records: Sequence[ConsumerRecord]) -> None:
        """Take over what was set or removed. What is no ProjectSettings changes nothing."""
        for record in records:
            if not record.key or not record.key.startswith(_PREFIX):
                continue
            project = record.key.removeprefix(_PREFIX).decode("utf-8", "replace")
            try:
                found = _DECODER.decode(record.value) if record.value else None
            except msgspec.MsgspecError as error:
                log.error(
                    "settings of a project cannot be read, its limit stays", project=project, why=str(error)
                )
                continue
            if found is None:
                self._found.pop(project, None)
            else:
                self._found[project] = found

    def complete(self) -> None:
        """Have what was found hold."""
        self._own = self._found
