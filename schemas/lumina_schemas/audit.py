"""The audit log: who changed what; a value of `lumina.audit` for each change, key = project."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

AUDIT_VERSION = 1


class AuditEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. It is on Kafka before the change is, so one that failed behind it may be told too."""

    v: int  # AUDIT_VERSION
    id: str  # uuid4
    at: Annotated[datetime, Meta(tz=True)]
    by: str  # id of the API key, "admin-key" (LUMINA_ADMIN_KEY), "anonymous" (no key is required), "cli:user"
    action: str  # rule.set, rule.remove, key.create, alert.acknowledge, query.run, dlq.redrive, ...
    target: str  # what it concerned: rules/checkout, an alert's id, ...
    project: str = ""  # "" = not of one project
    address: str = ""  # the caller's
    change: dict[str, Any] = {}  # what was asked, without secrets, prompts and answers
