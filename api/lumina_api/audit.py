"""The audit log: what is put on `lumina.audit` before a change is made, through REST or the command line."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from lumina_schemas.audit import AUDIT_VERSION, AuditEntry


def entry(
    by: str,
    action: str,
    target: str,
    *,
    project: str = "",
    address: str = "",
    change: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """One change, now. `change` holds what was asked, without secrets, prompts and answers."""
    return AuditEntry(
        v=AUDIT_VERSION,
        id=str(uuid.uuid4()),
        at=datetime.now(UTC),
        by=by,
        action=action,
        target=target,
        project=project,
        address=address,
        change=dict(change or {}),
    )


def encoded(told: AuditEntry) -> bytes:
    """The entry as it lies on its topic."""
    return msgspec.json.encode(told)
