"""`lumina reprice`: calls of a time priced again, by the prices of today."""

import asyncio
import sys
from typing import Annotated

import msgspec
import typer
from aiokafka.errors import KafkaError

from lumina_api.commands.asking import fail, running_settings
from lumina_api.commands.telling import tell
from lumina_api.commands.times import nanoseconds_of
from lumina_api.log import MissingTopic
from lumina_api.repricing import Report, Sums, reprice
from lumina_api.text import plain
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.price_file import PriceFileError

GROUPS_SHOWN = 20


def command(
    since: Annotated[
        int,
        typer.Option(
            "--from",
            parser=nanoseconds_of,
            metavar="TIME",
            help="Calls that started from here: 15m, 24h, 7d or RFC 3339.",
        ),
    ],
    until: Annotated[
        int,
        typer.Option("--to", parser=nanoseconds_of, metavar="TIME", help="Until before here; 0s is now."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    by: Annotated[str, typer.Option(help="Who asks; kept in the corrections.")] = "lumina reprice",
) -> None:
    """Price the calls of a time again, by today's prices, and correct the costs that REST shows.

    Alerts and baselines stay as they were decided. A second run finds nothing left to change.
    """
    if until <= since:
        fail("--to must lie behind --from.")
    settings = running_settings()
    try:
        if not dry_run:
            told = {"from_ns": since, "to_ns": until, "by": by[:200]}
            asyncio.run(tell(settings, "reprice.run", "corrections", change=told))
        report = asyncio.run(reprice(settings, since, until, by[:200], dry_run))
    except (PriceFileError, MissingTopic, KafkaSettingsError) as error:
        fail(str(error))
    except (KafkaError, OSError) as error:
        where = settings.kafka_bootstrap_servers or f"127.0.0.1:{settings.kafka_port}"
        fail(
            f"Kafka at {where} cannot be used: {error!r}. Corrections that were written hold; "
            "run this again for the rest. Is the stack up (`lumina status`)?"
        )
    for key, problem in report.problems.items():
        print(f"{plain(key, 120)} in the settings is no price: {plain(problem, 200)}", file=sys.stderr)
    print(msgspec.json.encode(report).decode() if as_json else "\n".join(lines(report)))


def lines(report: Report) -> list[str]:
    """What a run found, for people."""
    found = [f"{report.all.calls:,} calls looked at, {_usd(report.all)}."]
    if report.unreadable:
        found.append(f"{report.unreadable:,} lines of the log cannot be read and stay as they are.")
    if not report.changed.calls and not report.others_changed:
        return [*found, "No call costs anything else by today's prices."]
    for title, groups in (("model", report.by_model), ("price version", report.by_price_version)):
        if not groups:
            continue
        width = max(len(title), *(len(plain(name, 60)) for name in groups))
        found += ["", f"{title:{width}}  {'calls':>9}  {'old USD':>14}  {'new USD':>14}"]
        ordered = sorted(
            groups.items(), key=lambda group: (-abs(group[1].new_usd - group[1].old_usd), group[0])
        )
        found += [
            f"{plain(name, 60):{width}}  {sums.calls:>9,}  {sums.old_usd:>14.6f}  {sums.new_usd:>14.6f}"
            for name, sums in ordered[:GROUPS_SHOWN]
        ]
        if more := len(ordered) - GROUPS_SHOWN:
            found += [f"... {more} more: --json names them"] if more > 0 else []
    said = "would be corrected" if report.dry_run else "corrected"
    found += ["", f"{report.changed.calls:,} calls {said}: {_usd(report.changed)}."]
    if report.others_changed:
        found.append(
            f"{report.others_changed:,} further spans {said}: roll-ups, and second reports of calls."
        )
    return found


def _usd(sums: Sums) -> str:
    text = f"{sums.old_usd:.6f} -> {sums.new_usd:.6f} USD"
    if sums.unknown_before or sums.unknown_after:
        text += f" ({sums.unknown_before:,} -> {sums.unknown_after:,} unknown)"
    return text
