"""`lumina dlq`: dead letters listed, shown and re-driven."""

import base64
import os
import re
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from aiokafka import ConsumerRecord
from google.protobuf.json_format import MessageToDict

from lumina_api.commands.asking import ask, fail, running_settings
from lumina_api.commands.telling import tell
from lumina_api.dead_letters import (
    DeadLetter,
    Place,
    Plan,
    all_letters,
    chosen,
    dlq_facts,
    landing_topic,
    letter_of,
    planned,
    record_at,
    redrive,
)
from lumina_api.text import plain
from lumina_schemas.settings import Settings
from lumina_streams.core.otlp import Undecodable, decode_logs, decode_traces

SHOWN_BYTES = 512
"""Of a body that cannot be read."""

SHOWN_LINES = 200
"""Of a body that can; all of it with --full."""

TOLD = 100
"""Letters that the audit log names."""

_PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})", re.ASCII)
_IDS = ("traceId", "spanId", "parentSpanId")

app = typer.Typer(
    help="Dead letters: what could not be processed, kept on lumina.dlq for 30 days.", no_args_is_help=True
)


def place_of(text: str) -> Place:
    """PARTITION:OFFSET as a user writes it."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"{plain(text, 40)!r} is no PARTITION:OFFSET, such as 2:17.")
    return int(found[1]), int(found[2])


def since_of(text: str) -> int:
    """A time as a user writes it, in Unix ms."""
    from lumina_api.rest.moment import moment  # brings all of REST with it: half of the start of a command

    try:
        return moment(text).resolve(time.time_ns()) // 1_000_000
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from error


StageOption = Annotated[str, typer.Option(help="Only letters of this stage: normalise or detect.")]
ReasonOption = Annotated[str, typer.Option(help="Only letters whose reason contains this text.")]
SinceOption = Annotated[
    int | None,
    typer.Option(parser=since_of, metavar="TIME", help="Only letters since then: 15m, 24h, 7d or RFC 3339."),
]


@app.command("list")
def list_letters(
    stage: StageOption = "",
    reason: ReasonOption = "",
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=0, help="Letters shown, the newest; the groups count all.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a letter, all of them.")] = False,
) -> None:
    """List dead letters: first what they have in common, then the newest one by one."""
    settings = running_settings()
    letters = chosen(ask(settings, all_letters(settings)), stage, reason, since)
    letters.sort(key=lambda letter: (letter.at_ms, letter.place))
    if as_json:
        _print([msgspec.json.encode(letter).decode() for letter in letters])
        return
    if not letters:
        print("No dead letters." if not (stage or reason or since) else "No dead letters like that.")
        return
    _print(
        [*_groups(letters), "", *_lines(letters[len(letters) - limit :] if limit < len(letters) else letters)]
    )


@app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As `lumina dlq list` says.")],
    raw: Annotated[bool, typer.Option("--raw", help="The body's bytes as they are, nothing else.")] = False,
    full: Annotated[bool, typer.Option("--full", help=f"More than {SHOWN_LINES} lines.")] = False,
) -> None:
    """Show one dead letter: its headers and what is in it. It may hold prompts and answers."""
    place = place_of(letter)
    settings = running_settings()
    record = ask(settings, record_at(settings, place))
    if record is None:
        fail(f"There is no dead letter {letter}. `lumina dlq list` names those that there are.")
    body = record.value or b""
    if raw:
        sys.stdout.buffer.write(body)
        return
    body_lines = _body(letter_of(record, settings), body)
    more = len(body_lines) - SHOWN_LINES
    if more > 0 and not full:
        body_lines = [*body_lines[:SHOWN_LINES], f"... {more} more lines: --full shows them, --raw the bytes"]
    _print([*_head(record), "", *body_lines])


@app.command("redrive")
def redrive_letters(
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="[PARTITION:OFFSET]...", help="These, in this order.")
    ] = None,
    stage: StageOption = "",
    reason: ReasonOption = "",
    since: SinceOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
) -> None:
    """Send dead letters through the stream again, once their cause is mended.

    Each of their spans counts once, however often they are re-driven. What fails again is a new dead letter.
    """
    places = [place_of(text) for text in letters or ()]
    filtered = bool(stage or reason or since)
    if sum((bool(places), filtered, everything)) != 1:
        fail("Say which: PARTITION:OFFSET ..., or filters (--stage, --reason, --since), or --all.")
    settings = running_settings()
    found = ask(settings, all_letters(settings))
    by_place = {letter.place: letter for letter in found}
    if unknown := [f"{p}:{o}" for p, o in places if (p, o) not in by_place]:
        fail(f"There is no dead letter {', '.join(unknown)}. `lumina dlq list` names those that there are.")
    wanted = [by_place[place] for place in places] or chosen(found, stage, reason, since)
    plan = planned(found, wanted, ask(settings, dlq_facts(settings)).epoch)
    if plan.send and not dry_run:
        told = {"letters": [letter.name for letter in plan.send[:TOLD]], "count": len(plan.send)}
        ask(settings, tell(settings, "dlq.redrive", "dlq", change=told))
    landed = plan.send if dry_run else ask(settings, redrive(settings, plan.send))
    _print(_report(plan, landed, dry_run, settings))
    if places and (plan.cannot or len(landed) < len(plan.send)):
        raise typer.Exit(1)


def _report(plan: Plan, landed: list[DeadLetter], dry_run: bool, settings: Settings) -> list[str]:
    lines = [f"{copy.name} is a copy of {first.name}" for copy, first in plan.copies]
    lines += [f"{tried.name} was re-driven before: {left.name} is left of it" for tried, left in plan.remains]
    for letter in landed:
        again = f", attempt {letter.attempts + 1}" if letter.attempts else ""
        lines.append(f"{letter.name} -> {landing_topic(letter, settings)}{again}")
    gone = {letter.place for letter in plan.send} - {letter.place for letter in landed}
    lines += [f"{partition}:{offset}: gone, its retention has ended" for partition, offset in sorted(gone)]
    lines += [f"{letter.name} cannot be re-driven: {plain(reason, 200)}" for letter, reason in plan.cannot]
    spans = sum(letter.spans or 0 for letter in landed)
    counted = f" ({spans} spans counted)" if spans else ""
    verb = "would be re-driven" if dry_run else "re-driven"
    lines.append(f"{_count(len(landed), 'dead letter')} {verb}{counted}.")
    return lines


def _groups(letters: list[DeadLetter]) -> list[str]:
    """A line for letters of one stage, reason and source topic, the most frequent first."""
    groups: dict[tuple[str, str, str], list[DeadLetter]] = defaultdict(list)
    for letter in letters:
        groups[letter.stage, letter.reason, letter.topic].append(letter)
    lines = [f"{'letters':>7} {'spans':>7}  {'first':19}  {'last':19}  {'stage':9}  from, reason"]
    for (stage, reason, topic), some in sorted(groups.items(), key=lambda group: -len(group[1])):
        spans = sum(letter.spans or 0 for letter in some) if any(letter.spans for letter in some) else "?"
        lines.append(
            f"{len(some):>7} {spans:>7}  {_time(some[0].at_ms)}  {_time(some[-1].at_ms)}  "
            f"{plain(stage, 9) or '?':9}  {plain(topic, 60) or '?'}: {plain(reason, 160) or '?'}"
        )
    return lines


def _lines(letters: list[DeadLetter]) -> list[str]:
    """A line a letter, in the order given."""
    lines = [f"{'letter':>10}  {'time (UTC)':19}  {'stage':9}  {'spans':>5}  {'bytes':>9}  from, reason"]
    for letter in letters:
        notes = ""
        if letter.attempts:
            notes += f"  [attempt {letter.attempts} failed]"
        if letter.cut_from is not None:
            notes += "  [cut]"
        lines.append(
            f"{letter.name:>10}  {_time(letter.at_ms)}  {plain(letter.stage, 9) or '?':9}  "
            f"{letter.spans if letter.spans is not None else '?':>5}  {letter.size:>9}  "
            f"{plain(letter.source, 90)}: {plain(letter.reason, 120) or '?'}{notes}"
        )
    return lines


def _head(record: ConsumerRecord) -> list[str]:
    lines = [f"letter {record.partition}:{record.offset}, {_time(record.timestamp)} UTC"]
    lines += [
        f"{plain(name, 60)}: {plain(bytes(value or b'').decode('utf-8', 'replace'), 500)}"
        for name, value in record.headers
    ]
    return [*lines, f"body: {_count(len(record.value or b''), 'byte')}"]


def _body(letter: DeadLetter, body: bytes) -> list[str]:
    """What a body says, fit for a terminal: OTLP as its JSON, a line as it is, anything else as bytes."""
    try:
        if letter.stage == "detect":
            text = msgspec.json.format(body, indent=2)
        else:
            request = decode_logs(body) if letter.signal == "logs" else decode_traces(body)
            text = msgspec.json.format(msgspec.json.encode(_with_hex_ids(MessageToDict(request))), indent=2)
        lines = text.decode("utf-8", "replace").split("\n")
    except (Undecodable, msgspec.MsgspecError, RecursionError, ValueError):
        start = body[:SHOWN_BYTES]
        lines = [start[at : at + 32].hex(" ") for at in range(0, len(start), 32)]
        lines += ["", plain(start.decode("utf-8", "replace"))]
    return [" " * (len(line) - len(line.lstrip(" "))) + plain(line) for line in lines]


def _with_hex_ids(node: Any) -> Any:
    """OTLP/JSON as it is specified: ids in hex, where protobuf's JSON has base64."""
    if isinstance(node, list):
        return [_with_hex_ids(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _hex(value) if key in _IDS and isinstance(value, str) else _with_hex_ids(value)
        for key, value in node.items()
    }


def _hex(encoded: str) -> str:
    return base64.b64decode(encoded).hex()


def _print(lines: list[str]) -> None:
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`). What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(max(at_ms, 0) / 1e3, UTC):%Y-%m-%d %H:%M:%S}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
