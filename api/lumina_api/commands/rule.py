"""`lumina rule`: what is asked of the detection for a project, a service, an endpoint."""

from typing import Annotated, Any

import msgspec
import typer

from lumina_api.backtest.overrides import allowed, value_of
from lumina_api.backtest.replay import rules_set
from lumina_api.commands.asking import ask, fail, running_settings
from lumina_api.commands.telling import tell
from lumina_api.door import put
from lumina_api.text import plain
from lumina_schemas.rule import KIND, RULE_VERSION, Rule, RuleChange
from lumina_schemas.source import Source
from lumina_schemas.topics import SETTINGS
from lumina_streams.core.series.rulebook import OVERRIDES

app = typer.Typer(help="Rules: what is asked of a project, a service or an endpoint.", no_args_is_help=True)


@app.command("set")
def set_rule(
    rule_id: Annotated[
        str, typer.Argument(metavar="ID", help="A name of your choice; a known one is replaced.")
    ],
    fields: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE...", help="Such as cost_spike_pct=50, off=no_data.")
    ],
    project: Annotated[str, typer.Option(help="Absent: all projects.")] = "",
    service: Annotated[str, typer.Option(help="Absent: all services.")] = "",
    endpoint: Annotated[str, typer.Option(help="Absent: all endpoints.")] = "",
) -> None:
    """Set a rule, at once and without a restart. Of several the most specific one is in force alone."""
    values: dict[str, Any] = {}
    for text in fields:
        name, separator, value = text.partition("=")
        if not separator or name not in OVERRIDES:
            fail(f"{text!r} is no field of a rule. Allowed are:\n{_of_rules()}", 2)
        try:
            values[name] = value_of(name, value)
        except ValueError as error:
            fail(str(error), 2)
    rule = Rule(v=RULE_VERSION, project=project, service=service, endpoint=endpoint, **values)
    change = RuleChange(v=RULE_VERSION, id=rule_id, src=Source("", "control", 0, 0, 0), rule=rule)
    try:
        msgspec.json.decode(msgspec.json.encode(change), type=RuleChange)
    except msgspec.ValidationError as error:
        fail(f"That cannot be a rule: {error}.", 2)
    settings = running_settings()
    told = msgspec.to_builtins(rule)
    ask(settings, tell(settings, "rule.set", KIND + rule_id, project=project, change=told))
    ask(settings, put(settings, SETTINGS, KIND + rule_id, msgspec.json.encode(rule)))
    print(describe(rule_id, rule))


@app.command("list")
def list_rules(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a rule.")] = False,
) -> None:
    """List the rules that are set."""
    settings = running_settings()
    found = sorted(ask(settings, rules_set(settings)), key=lambda one: one[0].id)
    for change, _ in found:
        if change.rule is None:
            continue
        if as_json:
            print(msgspec.json.encode({"id": change.id, **msgspec.to_builtins(change.rule)}).decode())
        else:
            print(describe(change.id, change.rule))
    if not found and not as_json:
        print("No rules: the environment's settings hold for every series.")


@app.command("rm")
def remove_rule(
    rule_id: Annotated[str, typer.Argument(metavar="ID", help="As `lumina rule list` says.")],
) -> None:
    """Remove a rule, at once."""
    settings = running_settings()
    known = {change.id: change.rule for change, _ in ask(settings, rules_set(settings))}
    if rule_id not in known:
        fail(f"There is no rule {plain(rule_id, 100)!r}. `lumina rule list` names those that there are.")
    rule = known[rule_id]
    ask(settings, tell(settings, "rule.remove", KIND + rule_id, project=rule.project if rule else ""))
    ask(settings, put(settings, SETTINGS, KIND + rule_id, None))
    print(f"{plain(rule_id, 100)} is removed.")


def describe(rule_id: str, rule: Rule) -> str:
    """A rule in one line: id, place, fields."""
    place = "/".join(plain(part, 60) if part else "*" for part in (rule.project, rule.service, rule.endpoint))
    return f"{plain(rule_id, 100)}  {place}  {' '.join(written(rule))}".rstrip()


def written(rule: Rule) -> list[str]:
    """The fields of a rule as `lumina rule set` takes them."""
    found: list[str] = []
    for name in OVERRIDES:
        value = getattr(rule, name)
        if isinstance(value, tuple):
            found.append(f"{name}={','.join(value)}")
        elif isinstance(value, dict):
            found.append(f"{name}={','.join(f'{kind}:{severity}' for kind, severity in value.items())}")
        elif value is not None:
            found.append(f"{name}={str(value).removesuffix('.0')}")
    return found


def _of_rules() -> str:
    return "\n".join(line for line in allowed().split("\n") if line.strip().partition("=")[0] in OVERRIDES)
