"""Query parameters of what people decide."""

from typing import Annotated

from pydantic import Field, StringConstraints

from lumina_api.rest.moment import MomentParameter
from lumina_api.rest.parameters import Cursor, Limit, Name, Names, NoParameters
from lumina_api.views.decided_queries import AuditFilters
from lumina_api.views.filters import Filters


class SettingParameters(NoParameters):
    """A list of rules, prices, budgets, keys or erasures."""

    project: Names = Field(default=[], description="Project; repeated: any of them.")
    limit: Limit = 50
    cursor: Cursor = None


class ProjectParameters(NoParameters):
    """The list of projects."""

    limit: Limit = 50
    after: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="Only projects behind this name; `next_after` of the page before."
    )


class MarkParameters(NoParameters):
    """A list of marks."""

    project: Names = Field(default=[], description="Project; repeated: any of them.")
    since: MomentParameter | None = Field(
        default=None, description="Done at or after: RFC 3339, or before now (15m, 24h, 7d). Default: ever."
    )
    until: MomentParameter | None = Field(default=None, description="Done before. Default: no end.")
    limit: Limit = 50
    cursor: Cursor = None

    def filters(self, projects: tuple[str, ...], now_ns: int) -> Filters:
        """The same for the views; relative times resolved."""
        return Filters(
            project=projects,
            since=self.since.resolve(now_ns) if self.since is not None else None,
            until=self.until.resolve(now_ns) if self.until is not None else None,
        )


class AuditParameters(NoParameters):
    """The audit log."""

    project: Names = Field(default=[], description="Project; repeated: any of them.")
    by: list[Name] = Field(default=[], max_length=50, description="Who did it; repeated: any of them.")
    action: list[Name] = Field(
        default=[], max_length=50, description="What was done, such as rule.set; repeated: any of them."
    )
    target: list[Name] = Field(
        default=[],
        max_length=50,
        description="What it concerned, such as rules/checkout; repeated: any of them.",
    )
    since: MomentParameter | None = Field(
        default=None, description="At or after: RFC 3339, or before now (15m, 24h, 7d). Default: ever."
    )
    until: MomentParameter | None = Field(default=None, description="Before. Default: no end.")
    limit: Limit = 50
    cursor: Cursor = None

    def filters(self, projects: tuple[str, ...], now_ns: int) -> AuditFilters:
        """The same for the views; relative times resolved."""
        return AuditFilters(
            project=projects,
            by=tuple(self.by),
            action=tuple(self.action),
            target=tuple(self.target),
            since=self.since.resolve(now_ns) if self.since is not None else None,
            until=self.until.resolve(now_ns) if self.until is not None else None,
        )
