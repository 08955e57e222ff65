"""`/api/v1/settings`: the settings of this process, as they are in force. Secrets are never shown."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from lumina_api.rest.answer import answer
from lumina_api.rest.doors import AnyViews, Caller, bare, needs
from lumina_api.rest.problem import REFUSED, Problem
from lumina_schemas.settings import Settings, variable

router = APIRouter(prefix="/api/v1", tags=["settings"], dependencies=[Depends(needs("admin"))])


class SettingItem(BaseModel):
    """One setting."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The environment variable that sets it")
    value: str | float | bool | None = Field(
        description="In force; null for secrets, and where nothing is set"
    )
    default: bool = Field(description="Whether it is as it would be without being set")
    secret: bool = Field(description="Whether its value is never shown")
    description: str


class SettingList(BaseModel):
    """All settings of this process."""

    model_config = ConfigDict(extra="forbid")

    items: list[SettingItem]


@router.get("/settings", response_model=SettingList, dependencies=[Depends(bare)], responses=REFUSED)
async def settings(caller: Caller, views: AnyViews) -> Response:
    """Settings as this process has them from its environment, by name: other processes may differ."""
    if caller.project:
        raise Problem(403, f"Settings are of all projects; the key `{caller.name}` is of {caller.project}.")
    return answer({"items": effective(views.settings)})


def effective(settings: Settings) -> list[dict[str, Any]]:
    """Every setting with the value in force. Fields that are not part of `repr` are secrets."""
    items = []
    for name, field in sorted(Settings.model_fields.items(), key=lambda one: variable(one[0])):
        value = getattr(settings, name)
        items.append(
            {
                "name": variable(name),
                "value": None if not field.repr else str(value) if isinstance(value, Path) else value,
                "default": value == field.get_default(),
                "secret": not field.repr,
                "description": field.description or "",
            }
        )
    return items
