"""`lumina export` and `lumina import`: an installation's log to files, and from files into another's."""

from pathlib import Path
from typing import Annotated

import typer

from lumina_api.archive.manifest import GROUPS, PARTS, BrokenArchive, Part
from lumina_api.commands.asking import ask, fail, running_settings
from lumina_api.commands.times import nanoseconds_of

Traces = Annotated[bool, typer.Option("--traces", help="Spans, contents, scores, corrections of costs.")]
Alerts = Annotated[bool, typer.Option("--alerts", help="Alerts with their history.")]
Config = Annotated[
    bool, typer.Option("--settings", help="Rules, prices, budgets, projects, erasures, marks.")
]
Everything = Annotated[bool, typer.Option("--all", help="All of them.")]


def export_archive(
    target: Annotated[Path, typer.Argument(help="A new folder, or a file *.tar or *.tar.gz.")],
    traces: Traces = False,
    alerts: Alerts = False,
    settings: Config = False,
    everything: Everything = False,
    since: Annotated[
        int | None,
        typer.Option(
            parser=nanoseconds_of,
            metavar="TIME",
            help="Traces that started, and alerts that changed, since then: 15m, 24h, 7d or RFC 3339.",
        ),
    ] = None,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Keys (as hashes) and webhooks too.")
    ] = False,
) -> None:
    """Write what the log holds into files that people can read, one record a line. What is erased stays
    behind.
    """
    from lumina_api.archive.taking import take  # the engine of the views: not for every command

    running = running_settings()
    parts = _parts(traces, alerts, settings, everything)
    try:
        manifest = ask(running, take(running, target, parts, since, with_secrets, print))
    except BrokenArchive as error:
        fail(str(error))
    for why, count in manifest.left_out.items():
        hint = ": --with-secrets takes them along" if why == "settings with secrets" else ""
        print(f"left out: {count:,} {why}{hint}")
    print(f"{target} holds prompts and answers as they were sent: keep it as you keep those.")


def import_archive(
    source: Annotated[Path, typer.Argument(help="What `lumina export` wrote.")],
    traces: Traces = False,
    alerts: Alerts = False,
    settings: Config = False,
    everything: Everything = False,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="Keys (as hashes) and webhooks too.")
    ] = False,
) -> None:
    """Write an archive into this installation's log. History: it teaches baselines and notifies nobody.

    What is there already is left as it is: a second run adds nothing, and one after a broken one the rest.
    """
    from lumina_api.archive.giving import give

    running = running_settings()
    parts = _parts(traces, alerts, settings, everything)
    try:
        given = ask(running, give(running, source, parts, with_secrets, print))
    except BrokenArchive as error:
        fail(str(error))
    if given.open_alerts:
        print(
            f"{given.open_alerts:,} alerts were not resolved when they were exported. They stay as they "
            f"were: what "
            "is seen here from now on opens alerts of its own."
        )


def _parts(traces: bool, alerts: bool, settings: bool, everything: bool) -> list[Part]:
    asked = {"traces": traces, "alerts": alerts, "settings": settings}
    if not everything and not any(asked.values()):
        fail("Say what: --all, or any of --traces, --alerts, --settings.", 2)
    wanted = {part for name, parts in GROUPS.items() if everything or asked[name] for part in parts}
    return [part for part in PARTS if part in wanted]
