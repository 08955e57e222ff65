"""Settings handed on: the environment in which another Lumina process reads the same settings."""

import os
from collections.abc import Mapping

from pydantic import AliasChoices

from lumina_schemas.settings import Settings

PREFIX = "LUMINA_"


def variable(field: str) -> str:
    """Name of the environment variable of a setting."""
    alias = Settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return str(alias) if alias else PREFIX + field.upper()


def environment(settings: Settings, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`base` with every setting that differs from its default in it; paths are absolute.

    A setting at its default is taken out of `base`: the child decides as this process did.
    """
    result = dict(base)
    for field, info in Settings.model_fields.items():
        value = getattr(settings, field)
        if field in ("data_dir", "views_path") and value is not None:
            value = value.absolute()
        if value == info.default:
            result.pop(variable(field), None)
        else:
            result[variable(field)] = str(int(value)) if isinstance(value, bool) else str(value)
    return result
