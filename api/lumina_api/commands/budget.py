"""`lumina budget`: what a project, or a service of it, may cost in a day or a month."""

from typing import Annotated

import msgspec
import typer

from lumina_api.budgets import budgets_set
from lumina_api.commands.asking import ask, fail, running_settings
from lumina_api.commands.telling import tell
from lumina_api.door import put
from lumina_api.text import plain
from lumina_schemas.budget import BUDGET_VERSION, KIND, THRESHOLDS, Budget, BudgetChange
from lumina_schemas.source import Source
from lumina_schemas.topics import SETTINGS

app = typer.Typer(
    help="Budgets: alerts when a project has spent 50, 80 and 100 % of what it may.", no_args_is_help=True
)

BudgetId = Annotated[str, typer.Argument(metavar="ID", help="As `lumina budget list` says.")]


@app.command("set")
def set_budget(
    budget_id: Annotated[
        str, typer.Argument(metavar="ID", help="A name of your choice; a known one is replaced.")
    ],
    project: Annotated[str, typer.Option(help="The project that it is for.")],
    service: Annotated[str, typer.Option(help="Absent: all of the project.")] = "",
    day: Annotated[float | None, typer.Option(metavar="USD", help="For each day of UTC.")] = None,
    month: Annotated[float | None, typer.Option(metavar="USD", help="For each month of UTC.")] = None,
) -> None:
    """Set a budget, at once; what the present day or month has spent so far counts."""
    if (day is None) == (month is None):
        fail("Say either --day USD or --month USD.", 2)
    usd = day if day is not None else month
    assert usd is not None
    period = "day" if day is not None else "month"
    told = {"v": BUDGET_VERSION, "project": project, "service": service, "period": period, "usd": usd}
    try:
        budget = msgspec.convert(told, type=Budget)
        change = BudgetChange(
            v=BUDGET_VERSION, id=budget_id, src=Source("", "control", 0, 0, 0), budget=budget
        )
        msgspec.json.decode(msgspec.json.encode(change), type=BudgetChange)
    except msgspec.ValidationError as error:
        fail(f"That cannot be a budget: {error}.", 2)
    settings = running_settings()
    ask(settings, tell(settings, "budget.set", KIND + budget_id, project=project, change=told))
    ask(settings, put(settings, SETTINGS, KIND + budget_id, msgspec.json.encode(budget)))
    print(describe(budget_id, budget))


@app.command("list")
def list_budgets(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a budget.")] = False,
) -> None:
    """List the budgets that are set."""
    settings = running_settings()
    found = ask(settings, budgets_set(settings))
    for budget_id, budget in found.items():
        if as_json:
            print(msgspec.json.encode({"id": budget_id, **msgspec.to_builtins(budget)}).decode())
        else:
            print(describe(budget_id, budget))
    if not found and not as_json:
        print("No budgets: `lumina budget set ID --project PROJECT --day USD` sets one.")


@app.command("rm")
def remove_budget(budget_id: BudgetId) -> None:
    """Remove a budget, at once; its alert is resolved."""
    settings = running_settings()
    known = ask(settings, budgets_set(settings))
    if budget_id not in known:
        fail(f"There is no budget {plain(budget_id, 100)!r}. `lumina budget list` names those there are.")
    project = known[budget_id].project
    ask(settings, tell(settings, "budget.remove", KIND + budget_id, project=project))
    ask(settings, put(settings, SETTINGS, KIND + budget_id, None))
    print(f"{plain(budget_id, 100)} is removed.")


def describe(budget_id: str, budget: Budget) -> str:
    """A budget in one line: id, place, amount, and where it alerts."""
    place = "/".join(plain(part, 60) if part else "*" for part in (budget.project, budget.service))
    levels = ", ".join(str(level) for level in THRESHOLDS)
    amount = f"{budget.usd:,.2f} USD a {budget.period}"
    return f"{plain(budget_id, 100)}  {place}  {amount}, alerts at {levels} %"
