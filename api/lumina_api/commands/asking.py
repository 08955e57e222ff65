"""What commands that talk to Kafka share: settings, who asks, what is said where Kafka does not answer."""

import asyncio
import getpass
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import typer
from aiokafka.errors import KafkaError

from lumina_api.commands.settings import read_settings
from lumina_api.log import MissingTopic
from lumina_api.stack.state import of_running_stack
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings

T = TypeVar("T")


def running_settings() -> Settings:
    """Settings of the stack that runs here, or of the environment."""
    return of_running_stack(read_settings())


def ask(settings: Settings, question: Coroutine[Any, Any, T]) -> T:
    """Run it; what Kafka does not let it do ends the command with a word on what to do."""
    try:
        return asyncio.run(question)
    except (MissingTopic, KafkaSettingsError) as error:
        fail(str(error))
    except (KafkaError, OSError) as error:
        where = settings.kafka_bootstrap_servers or f"127.0.0.1:{settings.kafka_port}"
        fail(f"Kafka at {where} cannot be used: {error!r}. Is the stack up (`lumina status`)?")


def asker(by: str) -> str:
    """Who asks: as given, or the user's name on this machine."""
    if by.strip():
        return by.strip()[:200]
    try:
        return getpass.getuser()[:200] or "lumina"
    except (KeyError, OSError):
        return "lumina"


def fail(message: str, status: int = 1) -> NoReturn:
    """End the command with a word on stderr."""
    print(message, file=sys.stderr)
    raise typer.Exit(status)
