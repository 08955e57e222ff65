"""Which project spans belong to: what the door knows, else what their resource says."""

import re
from typing import Any

from lumina_schemas.mapping.fields import PROJECT

DEFAULT_PROJECT = "default"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
"""Names of projects; another one is as good as none."""


def project_named(given: str | None, named: Any) -> str:
    """The door's project, else the resource's, else `default`; a name that is none counts as absent."""
    for name in (given, named):
        if isinstance(name, str) and NAME.fullmatch(name):
            return name
    return DEFAULT_PROJECT


def project_of(resource: Any, given: str | None) -> str:
    """The project of an OTLP resource's spans."""
    named = None
    for attribute in resource.attributes:
        if attribute.key == PROJECT:
            named = attribute.value.string_value or named  # the last one, as in `plain`
    return project_named(given, named)
