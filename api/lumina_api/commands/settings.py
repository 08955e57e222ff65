"""Settings for a command: from the environment and its options, wrong ones said in a user's words."""

import sys

import typer
from pydantic import ValidationError

from lumina_api.text import plain
from lumina_schemas.settings import Settings, variable


def read_settings(**options: object) -> Settings:
    """Settings from the environment, with the options that are not None on top.

    Ends the command with status 1 where a setting is wrong, naming each.
    """
    try:
        return Settings.model_validate({name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        for wrong in error.errors():
            field = str(wrong["loc"][0]) if wrong["loc"] else ""
            name = variable(field) if field in Settings.model_fields else field
            print(f"{name} is {plain(str(wrong['input']), 80)!r}: {wrong['msg']}.", file=sys.stderr)
        raise typer.Exit(1) from error
