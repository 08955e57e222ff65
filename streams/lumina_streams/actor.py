"""`lumina-actor`: one worker process of the actor app, which talks to the world on the stream's behalf.

Its agents may be slow: they share no loop with the stream's. So far there are the routers, and what keeps the
budgets of the projects.
"""

from typing import TYPE_CHECKING

from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS, COMMANDS, DLQ, PROJECTS, PROJECTS_CHANGELOG, SETTINGS, SPANS
from lumina_streams.metrics import Metrics
from lumina_streams.process import run_worker

if TYPE_CHECKING:
    from lumina_streams.app import WorkerApp

TOPICS = (COMMANDS, SETTINGS, SPANS, PROJECTS, PROJECTS_CHANGELOG, ALERTS, DLQ)


def register(app: "WorkerApp", settings: Settings, metrics: Metrics) -> None:
    """Add the agents."""
    from lumina_streams.agents import projects, router

    router.register(app, settings, metrics)
    projects.register(app, settings, metrics)


def main() -> None:
    """Run a worker until SIGTERM."""
    run_worker("actor", TOPICS, register)


if __name__ == "__main__":
    main()
