"""`lumina reset`: everything of this installation goes: the local data folder, or the topics on a cluster."""

from typing import Annotated

import typer

from lumina_api.commands.asking import ask, fail
from lumina_api.commands.settings import read_settings
from lumina_api.stack import folder as data_folder
from lumina_api.stack.launch import say
from lumina_api.stack.state import hold
from lumina_api.wipe import Wipe, wipe, wipe_of
from lumina_schemas.settings import Settings


def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask (local data only).")] = False,
    prefix: Annotated[
        str, typer.Option(help="The topic prefix, in place of typing it (a cluster of your own).")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Although groups of others read the topics, or workers run.")
    ] = False,
) -> None:
    """Delete all data: the local folder, or on a cluster of your own every topic under the prefix."""
    settings = read_settings()
    if settings.kafka_bootstrap_servers:
        _reset_cluster(settings, prefix, force)
    else:
        _reset_folder(settings, yes)


def _reset_folder(settings: Settings, yes: bool) -> None:
    folder = settings.data_dir.absolute()
    if not folder.exists():
        print(f"There is no {folder}: nothing to reset.")
        return
    try:
        data_folder.check(folder)
    except data_folder.NotOurs as error:
        say(str(error))
        raise typer.Exit(1) from error
    with hold(folder) as held:
        if not held:
            say(f"A stack runs on {folder}. Stop it first: `lumina down`.")
            raise typer.Exit(1)
        names = ", ".join(path.name for path in data_folder.contents(folder)) or "nothing"
        print(f"{folder} holds: {names}")
        if not yes and not typer.confirm("Delete all of it?"):
            raise typer.Exit(1)
        data_folder.empty(folder)
    print("Deleted.")


def _reset_cluster(settings: Settings, prefix: str, force: bool) -> None:
    if not settings.topic_prefix:
        fail("LUMINA_TOPIC_PREFIX is empty: every topic of the cluster would be meant. Nothing is deleted.")
    plan = ask(settings, wipe_of(settings))
    if not plan.topics:
        print(
            f"No topic of cluster {plan.cluster_id} starts with `{settings.topic_prefix}`: nothing to reset."
        )
        return
    print("\n".join(lines(plan, settings)))
    if plan.others and not force:
        fail(
            f"Groups that are not Lumina's have read these topics: {', '.join(plan.others)}. Nothing is "
            "deleted. Tell their owners, then: --force."
        )
    if plan.members and not force:
        fail(
            "Workers are still members of Lumina's groups. Stop them and wait for LUMINA_SESSION_TIMEOUT_S; "
            "they would make half of it anew. Nothing is deleted. Nevertheless: --force."
        )
    typed = prefix or typer.prompt(
        f"Type the prefix ({settings.topic_prefix}) to delete all of it", default=""
    )
    if typed != settings.topic_prefix:
        fail(f"{typed!r} is not the prefix {settings.topic_prefix!r}. Nothing is deleted.")
    ask(settings, wipe(settings, plan))
    print(
        f"Deleted {len(plan.topics)} topics. Each api has its views yet: stop it and delete its file "
        "(LUMINA_VIEWS_PATH), or let it find the new topics, which empties them."
    )


def lines(plan: Wipe, settings: Settings) -> list[str]:
    """What is about to go, as a person reads it."""
    return [
        f"Cluster {plan.cluster_id} at {settings.kafka_bootstrap_servers}",
        *(f"  topic  {name}" for name in plan.topics),
        *(f"  group  {name}" for name in plan.groups),
        *(f"  at work: {member}" for member in plan.members),
        *(f"  read by {group}, which is not Lumina's" for group in plan.others),
    ]
