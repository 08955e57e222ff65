"""What the demo says of injections and answers, by the order in which things happen."""

import pytest

from lumina_api.demo.ledger import Ledger
from lumina_api.demo.scenario import INCIDENTS, Incident
from lumina_schemas.alert import Alert, AlertKind, AlertState

BOTH, SWITCH = INCIDENTS[0], INCIDENTS[1]


def alert(
    incident: Incident,
    kind: AlertKind,
    rev: int = 1,
    state: AlertState = "open",
    summary: str = "dear",
    project: str = "demo",
) -> Alert:
    return Alert(
        v=1,
        rev=rev,
        id=f"id-{incident.endpoint.name}",
        kind=kind,
        state=state,
        severity="warning",
        project=project,
        service=incident.endpoint.service,
        endpoint=incident.endpoint.name,
        series_id="00" * 8,
        summary=summary,
        opened_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:00:00Z",
        detected_at="2026-01-01T00:00:00Z",
        signals=(),
    )


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_an_incident_is_announced_once(ledger: Ledger) -> None:
    assert ledger.sending(None, 1.0) is None
    line = ledger.sending(BOTH, 2.0)
    assert line is not None
    assert line.startswith("injected")
    assert "shop-assistant /chat" in line
    assert ledger.sending(BOTH, 3.0) is None
    assert [injection.calls for injection in ledger.injections] == [2]


def test_the_answer_is_timed_from_the_first_and_the_last_bad_call(ledger: Ledger) -> None:
    ledger.sending(BOTH, 10.0)
    ledger.sending(BOTH, 11.5)
    line = ledger.receive(alert(BOTH, "cost_and_quality"), 11.54)
    assert line is not None
    assert "1,540 ms after the first bad call" in line
    assert "40 ms after bad call 2" in line
    assert "id-/chat" in line
    assert ledger.unanswered == []


def test_a_half_answer_does_not_count_until_it_is_upgraded(ledger: Ledger) -> None:
    ledger.sending(BOTH, 0.0)
    assert ledger.receive(alert(BOTH, "cost_spike"), 1.0) is not None
    assert ledger.unanswered == [BOTH]
    line = ledger.receive(alert(BOTH, "cost_and_quality", rev=2), 2.0)
    assert line is not None
    assert "cost_spike before" in line
    assert ledger.unanswered == []


def test_updates_and_stale_records_are_no_news(ledger: Ledger) -> None:
    ledger.sending(SWITCH, 0.0)
    assert ledger.receive(alert(SWITCH, "cost_spike", rev=2), 1.0)
    assert ledger.receive(alert(SWITCH, "cost_spike", rev=3), 2.0) is None
    assert ledger.receive(alert(SWITCH, "cost_spike", rev=2, state="resolved"), 3.0) is None
    line = ledger.receive(alert(SWITCH, "cost_spike", rev=4, state="resolved"), 4.0)
    assert line is not None
    assert "is resolved" in line


def test_alerts_of_other_projects_are_nobodys_business(ledger: Ledger) -> None:
    ledger.sending(SWITCH, 0.0)
    assert ledger.receive(alert(SWITCH, "cost_spike", project="shop"), 1.0) is None
    assert ledger.unanswered == [SWITCH]


def test_an_alert_that_nobody_asked_for_is_said(ledger: Ledger) -> None:
    line = ledger.receive(alert(SWITCH, "cost_spike"), 1.0)
    assert line is not None
    assert "no incident of this demo" in line


def test_an_alert_still_open_from_an_earlier_demo_answers_too(ledger: Ledger) -> None:
    ledger.remember(alert(BOTH, "cost_and_quality", rev=5))
    line = ledger.sending(BOTH, 0.0)
    assert line is not None
    assert "is open there already" in line
    assert ledger.unanswered == []
    # One that was resolved before does not, until it is opened again.
    ledger.remember(alert(SWITCH, "cost_spike", rev=5, state="resolved"))
    ledger.sending(SWITCH, 1.0)
    assert ledger.unanswered == [SWITCH]
    line = ledger.receive(alert(SWITCH, "cost_spike", rev=6), 2.0)
    assert line is not None
    assert "resolved before" in line
    assert ledger.unanswered == []


def test_the_end_says_whether_there_was_an_answer(ledger: Ledger) -> None:
    ledger.sending(BOTH, 0.0)
    assert ledger.over(BOTH) is None
    line = ledger.over(None)
    assert line is not None
    assert "no alert answered it" in line
    assert ledger.over(None) is None
    ledger.sending(SWITCH, 1.0)
    ledger.receive(alert(SWITCH, "cost_spike"), 1.1)
    line = ledger.over(None)
    assert line is not None
    assert "no alert" not in line


def test_the_same_incident_may_come_again(ledger: Ledger) -> None:
    ledger.sending(BOTH, 0.0)
    ledger.over(None)
    assert ledger.sending(BOTH, 100.0) is not None
    assert len(ledger.injections) == 2


def test_hostile_text_does_not_reach_the_terminal(ledger: Ledger) -> None:
    ledger.sending(SWITCH, 0.0)
    line = ledger.receive(alert(SWITCH, "cost_spike", summary="\x1b[2Jgone\rnow" + "x" * 5000), 1.0)
    assert line is not None
    assert "\x1b" not in line
    assert "\r" not in line
    assert len(line) < 1000
