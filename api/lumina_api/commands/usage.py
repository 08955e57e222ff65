"""`lumina usage`: today's traces of each project, and how far its limit is."""

import sys
from typing import Annotated

import msgspec
import typer

from lumina_api.commands.asking import ask, running_settings
from lumina_api.text import plain
from lumina_api.usage.report import ProjectUsage, read_tally, usage_of, usages


def usage(
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one project a line.")] = False,
) -> None:
    """Show today's traces (UTC) of each project, its limit, and when it is reset. Asks Kafka alone."""
    settings = running_settings()
    tally = ask(settings, read_tally(settings))
    found = [usage_of(tally, project)] if project else usages(tally)
    if as_json:
        sys.stdout.write("".join(msgspec.json.encode(one).decode() + "\n" for one in found))
    elif found:
        print("\n".join(lines(found)))
    else:
        limit = f"{settings.daily_trace_limit:,}" if settings.daily_trace_limit else "none"
        print(f"No traces yet today (UTC). Limit a project and day: {limit}.")


def lines(found: list[ProjectUsage]) -> list[str]:
    """A line for each project, and what is to be known of limits that are reached."""
    width = max(10, *(len(plain(one.project, 40)) for one in found))
    result = [f"{'project':{width}}  {'traces':>11}  {'limit':>11}  {'used':>7}  {'refused':>11}  resets at"]
    for one in found:
        traces = f"{'~' if one.estimated else ''}{one.traces:,}"
        limit = f"{one.limit:,}" if one.limit else "none"
        used = "" if one.percent is None else f"{one.percent:.1f} %"
        figures = f"{traces:>11}  {limit:>11}  {used:>7}  {one.refused_spans:>11,}"
        result.append(f"{plain(one.project, 40):{width}}  {figures}  {one.resets_at}")
    if full := [plain(one.project, 40) for one in found if one.limit and one.traces >= one.limit]:
        result += [
            "",
            f"At the limit: {', '.join(full)}. New traces are refused until then, and detection does not see "
            "them. To raise it: LUMINA_DAILY_TRACE_LIMIT, or daily_trace_limit of the project's "
            "settings (docs/operations.md, Limits).",
        ]
    return result
