"""The one transition of a project: `step(state, message) -> alerts`."""

from msgspec.structs import replace

from lumina_schemas.alert import Alert, Transition
from lumina_schemas.budget import Budget, BudgetChange
from lumina_schemas.control import Command, SeriesCommand
from lumina_schemas.project import Spend, Traces
from lumina_streams.core.alert.book import HISTORY, NEVER
from lumina_streams.core.baseline.moment import ms_of, rfc3339
from lumina_streams.core.project.period import end_ms, number_of
from lumina_streams.core.project.raising import Raiser, review
from lumina_streams.core.project.state import ALL, ProjectState, Raised

Message = Spend | Traces | BudgetChange | SeriesCommand | None
"""What lies in the log of a project; None is a tick."""

MAX_BUDGETS = 200
"""Of one project. A further one is refused."""


class TooManyBudgetsError(ValueError):
    """The project has as many budgets as it may have."""


def step(state: ProjectState, message: Message, detected_at: str) -> list[Alert]:
    """Apply one message at the time `state.now_ms`; returns the alert records to publish, in order.

    Mutates `state`. Deterministic in (state, message); `detected_at` (RFC 3339) is only written down. The
    caller has asked `state.arrive` first. Raises TooManyBudgetsError, having changed nothing.
    """
    if isinstance(message, BudgetChange):
        _check_room(state, message)
    raiser = Raiser(state, detected_at)
    raiser.pass_time()  # what comes at a time finds done what was due by it
    if isinstance(message, Spend):
        _spend(raiser, message)
    elif isinstance(message, Traces):
        _traces(raiser, message)
    elif isinstance(message, BudgetChange):
        _change(raiser, message)
    elif isinstance(message, SeriesCommand):
        _command(raiser, message)
    raiser.pass_time()
    state.forget()
    return raiser.news


def _check_room(state: ProjectState, change: BudgetChange) -> None:
    comes = change.budget is not None and change.budget.project == state.project
    if comes and change.id not in state.budgets and len(state.budgets) >= MAX_BUDGETS:
        raise TooManyBudgetsError(
            f"Project {state.project} has {MAX_BUDGETS} budgets, as many as it may have: remove one first."
        )


def _spend(raiser: Raiser, spend: Spend) -> None:
    state = raiser.state
    days = state.count(spend)
    if not days:
        return
    services = {ALL, *(item.service for item in spend.items)}
    for budget_id, budget in sorted(state.budgets.items()):
        if budget.service in services:
            for number in sorted({number_of(budget.period, day) for day in days}):
                review(raiser, budget_id, budget, number)


def _traces(raiser: Raiser, told: Traces) -> None:
    """Take what a gateway says of the limit: the first to say so counts, and whoever knows a higher limit."""
    if end_ms("day", told.day) <= raiser.state.now_ms or not raiser.state.is_kept("day", told.day):
        return
    limit, value = float(told.limit), float(told.traces)
    level = 100 if told.percent >= 100 else 90
    raised = raiser.find("", ALL, "day", told.day)
    if raised is None:
        raiser.open("", ALL, "day", told.day, level, limit, value)
    elif limit > raised.limit or (level > raised.level and value >= raised.value):
        raiser.reach(raised, level, limit, value, f"{level}% reached")


def _change(raiser: Raiser, change: BudgetChange) -> None:
    """Take a budget that was set, changed, removed, or given to another project."""
    state = raiser.state
    if not state.positions.advance(change.src):
        return
    after: Budget | None = change.budget
    if after is not None and after.project != state.project:
        after = None
    if after is None:
        state.budgets.pop(change.id, None)
    else:
        state.budgets[change.id] = after
    for raised in raiser.of_budget(change.id):
        if after is None or (after.service, after.period) != (raised.service, raised.period):
            raiser.end(raised, "the budget was removed", "manual")
            raised.level = 0
    if after is not None:
        review(raiser, change.id, after, number_of(after.period, state.today))


def _command(raiser: Raiser, command: SeriesCommand) -> None:
    """Obey a command on one of the project's alerts; one that changes nothing does nothing."""
    state = raiser.state
    if command.src is not None and not state.positions.advance(command.src):
        return
    for raised in state.raised:
        if raised.track.alert.id == command.alert_id:
            _obey(raiser, raised, command)


def _obey(raiser: Raiser, raised: Raised, command: Command) -> None:
    track = raised.track
    if command.type == "feedback":
        _note_feedback(raiser, raised, command)
    elif not track.open:
        return
    elif command.type == "acknowledge":
        if track.alert.state != "acknowledged":
            raiser.write(raised, "acknowledged", command.note, by=command.by)
    elif command.type == "snooze":
        until_ms = NEVER if command.until is None else ms_of(command.until)
        if until_ms > raiser.state.now_ms and until_ms != track.snoozed_ms:
            raiser.write(raised, "snoozed", command.note, by=command.by, until_ms=until_ms)
    else:
        reason = command.reason or "manual"
        raised.muted = reason == "false"
        raiser.write(raised, "resolved", command.note, reason=reason, by=command.by)


def _note_feedback(raiser: Raiser, raised: Raised, command: Command) -> None:
    """Keep what somebody said of an alert, resolved ones included; its state stays."""
    track = raised.track
    if command.feedback is None or command.feedback == track.alert.feedback:
        return
    at = rfc3339(max(raiser.state.now_ms, track.written_ms))
    note = command.note or f"feedback: {command.feedback}"
    entry = Transition(track.alert.state, at, command.by, note)
    track.alert = replace(
        track.alert,
        rev=track.alert.rev + 1,
        feedback=command.feedback,
        updated_at=at,
        detected_at=raiser.detected_at,
        history=(*track.alert.history, entry)[-HISTORY:],
    )
    raiser.news.append(track.alert)
