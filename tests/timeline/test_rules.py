"""Rules decide from the next call on, without a restart."""

from timeline.story import At, Calls, Rule, Story, Want

USUAL = Calls()
DEAR = Calls(times=3)
SLOW = Calls(slower=3)


def test_a_signal_that_is_off_never_alerts_and_others_do() -> None:
    Story().tell(
        At(0, Rule(off=("cost_spike",))),
        At(0, USUAL),
        At(30, DEAR),
        At(40, Calls(times=3, slower=3)),
        Want((40, 41), "open", "latency_spike", signals=("latency_spike",)),
        At(60, USUAL),
        Want((61, 63), "resolved", reason="recovered"),
    )


def test_a_signal_that_is_switched_on_again_speaks_at_the_next_call() -> None:
    Story().tell(
        At(0, Rule(off=("cost_spike",))),
        At(0, USUAL),
        At(30, DEAR),
        At(35, Rule(off=())),
        Want((35, 35.2), "open", "cost_spike"),
        At(40, USUAL),
        Want((41, 43), "resolved", reason="recovered"),
    )


def test_an_alert_that_is_open_when_its_signal_is_switched_off_ends_as_usual() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(40, Rule(off=("cost_spike",))),
        At(50, USUAL),
        Want((51, 53), "resolved", reason="recovered"),
        At(55, DEAR),
        At(90, DEAR),
    )


def test_severity_is_the_rules_for_the_kind() -> None:
    Story().tell(
        At(0, Rule(severity={"latency_spike": "info", "cost_and_quality": "warning"})),
        At(0, USUAL),
        At(30, SLOW),
        Want((30, 31), "open", "latency_spike", severity="info"),
        At(35, Calls(times=3, slower=3)),
        Want((35, 36), "open", "cost_spike", severity="warning"),
        At(40, Calls(times=3, slower=3, refused=True)),
        Want((40, 41), "open", "cost_and_quality", severity="warning"),
        At(45, SLOW),
    )


def test_a_smaller_rise_than_the_rule_asks_for_is_no_alert() -> None:
    Story().tell(
        At(0, Rule(cost_spike_pct=400.0)),
        At(0, USUAL),
        At(30, DEAR),
        At(35, Rule(cost_spike_pct=50.0)),
        Want((35, 35.2), "open", "cost_spike"),
        At(40, DEAR),
    )
