"""Settings handed on: the environment in which another Lumina process reads the same settings."""

import os
from collections.abc import Mapping
from pathlib import Path

from lumina_schemas.settings import Settings, variable


def environment(settings: Settings, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """`base` with every setting that differs from its default in it; paths are absolute.

    A setting at its default is taken out of `base`: the child decides as this process did.
    """
    result = dict(base)
    for field, info in Settings.model_fields.items():
        value = getattr(settings, field)
        if isinstance(value, Path):
            value = value.absolute()
        if value == info.default:
            result.pop(variable(field), None)
        else:
            result[variable(field)] = str(int(value)) if isinstance(value, bool) else str(value)
    return result
