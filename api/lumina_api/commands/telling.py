"""What commands that change something say first: an entry of the audit log."""

import getpass
from collections.abc import Mapping
from typing import Any

from lumina_api.audit import encoded, entry
from lumina_api.door import put
from lumina_schemas.settings import Settings
from lumina_schemas.topics import AUDIT


async def tell(
    settings: Settings,
    action: str,
    target: str,
    *,
    project: str = "",
    change: Mapping[str, Any] | None = None,
) -> None:
    """Put a change that is about to be made on the audit log, in the name of this machine's user.

    Raises MissingTopic, KafkaError: a change that cannot be told is not made.
    """
    told = entry(f"cli:{_user()}", action, target, project=project, change=change)
    await put(settings, AUDIT, told.project, encoded(told))


def _user() -> str:
    try:
        return getpass.getuser()[:200] or "unknown"
    except (KeyError, OSError):
        return "unknown"
