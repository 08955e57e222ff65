"""`lumina keys`: API keys. By Kafka alone, so that the first one can be made where every server wants one."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import msgspec
import typer
from aiokafka import ConsumerRecord
from msgspec.structs import replace

from lumina_api.access.secret import make_key
from lumina_api.access.uses import KEPT_S, LastUses
from lumina_api.commands.asking import ask, asker, fail, running_settings
from lumina_api.commands.telling import tell
from lumina_api.commands.times import nanoseconds_after
from lumina_api.door import put
from lumina_api.follower import Follower
from lumina_api.text import plain
from lumina_schemas.key import KIND, ApiKey, Scope
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS, USAGE

app = typer.Typer(help="API keys: who may send, read, change.", no_args_is_help=True)

SCOPES: tuple[Scope, ...] = get_args(Scope)

_DECODER = msgspec.json.Decoder(ApiKey)
_PREFIX = KIND.encode()


class Records:
    """The records of all keys; a Reading of `lumina.settings`."""

    def __init__(self) -> None:
        self.found: dict[str, ApiKey] = {}

    def begin(self) -> None:
        """From the start."""
        self.found = {}

    def apply(self, records: Sequence[ConsumerRecord]) -> None:
        """Take over what was made, changed, removed. What is no record of a key opens nothing and is none."""
        for record in records:
            if record.key and record.key.startswith(_PREFIX):
                id = record.key.removeprefix(_PREFIX).decode("utf-8", "replace")
                try:
                    self.found[id] = _DECODER.decode(record.value or b"")
                except msgspec.MsgspecError:
                    self.found.pop(id, None)

    def complete(self) -> None:
        """All are known."""


@app.command("create")
def create(
    scope: Annotated[
        list[str], typer.Option(metavar="SCOPE", help=f"{', '.join(SCOPES)}; several times for several.")
    ],
    project: Annotated[
        str, typer.Option(help="The one project that it sees and sends to; absent: all.")
    ] = "",
    name: Annotated[str, typer.Option(help="For people: who or what uses it.")] = "",
    expires: Annotated[
        int | None,
        typer.Option(
            parser=nanoseconds_after, metavar="LENGTH", help="From now on: 12h, 30d; absent: never."
        ),
    ] = None,
) -> None:
    """Make a key. It is printed once, on standard output, and kept nowhere."""
    scopes = [part.strip() for text in scope for part in text.split(",")]
    if unknown := [text for text in scopes if text not in SCOPES]:
        fail(f"{plain(unknown[0], 50)!r} is no scope: there are {', '.join(SCOPES)}.", 2)
    made = make_key(
        [each for each in SCOPES if each in scopes],
        created_at=datetime.now(UTC),
        project=project,
        name=name,
        created_by=f"cli:{asker('')}"[:200],
        expires_at=_utc(expires) if expires is not None else None,
    )
    value = msgspec.json.encode(made.record)
    try:
        _DECODER.decode(value)
    except msgspec.ValidationError as error:
        fail(f"That cannot be a key: {error}.", 2)
    settings = running_settings()
    until = f"{made.record.expires_at:%Y-%m-%dT%H:%M:%SZ}" if made.record.expires_at else None
    told = {"name": name, "scopes": list(made.record.scopes), "expires_at": until}
    ask(settings, _write(settings, "key.create", made.record, told))
    print(
        f"Key {made.id} ({_held(made.record)}) until {until or 'it is revoked'}. It is shown this once: keep "
        "it, and send it as `Authorization: Bearer KEY`.",
        file=sys.stderr,
    )
    print(made.text)


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a key.")] = False,
) -> None:
    """List the keys, the youngest first, and when they were last used."""
    settings = running_settings()
    records, uses = ask(settings, _read(settings))
    found = sorted(records.found.values(), key=lambda key: key.created_at, reverse=True)
    if as_json:
        for key in found:
            shown = msgspec.to_builtins(key)
            del shown["sha256"]
            print(msgspec.json.encode(shown | {"last_used": uses.of(key.id)}).decode())
        return
    now = datetime.now(UTC)
    for key in found:
        print(line(key, uses.of(key.id), now))
    if not found:
        print("No keys. `lumina keys create --scope admin` makes the first one.")


@app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="16 hex digits, as `lumina keys list` says.")],
) -> None:
    """Revoke a key, for good: within a second or two it opens nothing, and its logins end."""
    settings = running_settings()
    records, _ = ask(settings, _read(settings))
    key = records.found.get(key_id)
    if key is None:
        fail(f"There is no key {plain(key_id, 50)!r}. `lumina keys list` names those that there are.")
    if key.revoked_at is not None:
        print(f"{key.id} was revoked at {key.revoked_at:%Y-%m-%dT%H:%M:%SZ}: nothing to do.")
        return
    gone = replace(key, revoked_at=datetime.now(UTC))
    ask(settings, _write(settings, "key.revoke", gone, {"name": key.name}))
    print(f"{key.id} ({_held(key)}) is revoked.")


def line(key: ApiKey, last: datetime | None, now: datetime) -> str:
    """A key in one line: id, what it opens, state, last use, name."""
    if key.revoked_at is not None:
        state = f"revoked {key.revoked_at:%Y-%m-%d}"
    elif key.expires_at is None:
        state = "good"
    else:
        state = f"{'expired' if key.expires_at <= now else 'until'} {key.expires_at:%Y-%m-%d %H:%M}"
    if last is not None:
        used = f"used {last:%Y-%m-%d %H:%M}"
    elif (now - key.created_at).total_seconds() < KEPT_S:
        used = "never used"
    else:
        used = "not used for 2 days or more"
    made = f"made {key.created_at:%Y-%m-%d}"
    return "  ".join(filter(None, (key.id, _held(key), state, used, made, plain(key.name, 100))))


def _held(key: ApiKey) -> str:
    return f"{','.join(key.scopes)} on {key.project or 'all projects'}"


async def _write(settings: Settings, action: str, key: ApiKey, told: Mapping[str, Any]) -> None:
    await tell(settings, action, KIND + key.id, project=key.project, change=told)
    await put(settings, SETTINGS, KIND + key.id, msgspec.json.encode(key))


async def _read(settings: Settings) -> tuple[Records, LastUses]:
    """All keys and their last uses. Raises MissingTopic, KafkaError."""
    records, uses = Records(), LastUses()
    await Follower(settings, SETTINGS, records).once()
    await Follower(settings, USAGE, uses, lambda: int((time.time() - KEPT_S) * 1_000)).once()
    return records, uses


def _utc(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // 10**9, UTC)
