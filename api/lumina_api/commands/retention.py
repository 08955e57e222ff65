"""`lumina retention`: how long the views keep what, and what goes the next time."""

from typing import Annotated, Any

import httpx
import typer

from lumina_api.commands.asking import fail, running_settings
from lumina_api.stack.plan import client_host
from lumina_api.text import plain
from lumina_schemas.settings import Settings

ANSWER_S = 30.0


def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="What goes the next time, by project and table.")
    ] = False,
) -> None:
    """Say how long the views keep what, and what the last run deleted. Nothing is deleted by this command."""
    told = _asked(running_settings())
    days = told["days"]
    print(f"The views keep spans and resolved alerts {f'for {days:g} days' if days else 'for ever'}.")
    for own in told["projects"]:
        length = f"{own['days']:g} days" if own["days"] else "for ever"
        print(f"  {plain(own['project'], 60)}: {length}")
    print(f"Next run {told['next_run']}.")
    if dry_run:
        for line in plan_lines(told["plan"]):
            print(line)
    if last := told["last_run"]:
        rows = ", ".join(f"{count:,} of {table}" for table, count in (last["rows"] or {}).items())
        print(f"Last run ended {last['ended']}: {rows or 'nothing'} deleted.")


def plan_lines(plan: list[dict[str, Any]]) -> list[str]:
    """One line a project and table."""
    if not plan:
        return ["Nothing would go then."]
    return [
        f"  {plain(one['project'], 40):40}  {one['table']:12} {one['rows']:>12,} rows before {one['before']}"
        f", the oldest of {one['oldest']}"
        for one in plan
    ]


def _asked(settings: Settings) -> dict[str, Any]:
    url = f"http://{client_host(settings)}:{settings.port}/api/v1/retention"
    headers = {"authorization": f"Bearer {settings.admin_key}"} if settings.admin_key else {}
    try:
        answer = httpx.get(url, headers=headers, timeout=ANSWER_S)
    except httpx.HTTPError as error:
        fail(f"The API at {url} does not answer ({error!r}). Is the stack up (`lumina status`)?")
    if answer.status_code in (401, 403):
        fail(f"{url} wants a key with the scope admin: set LUMINA_ADMIN_KEY as the API has it.")
    if answer.status_code != 200:
        fail(f"{url} answers {answer.status_code}: {plain(answer.text, 300)}")
    told: dict[str, Any] = answer.json()
    return told
