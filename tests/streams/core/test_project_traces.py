"""The limit of traces: an alert at 90 and at 100 %, which says that detection is blind; over at midnight."""

from streams.core.project_log import DAY, Log, shown


def test_the_first_gateway_to_say_so_raises_the_alert() -> None:
    log = Log()
    (near,) = log.traces(90, 45_000, 50_000, 12)
    assert (near.kind, near.severity, near.signals[0].unit, near.signals[0].ratio) == (
        "trace_limit",
        "warning",
        "traces",
        0.9,
    )
    assert log.traces(90, 45_010, 50_000, 12) == []
    (full,) = log.traces(100, 50_000, 50_000, 13)
    assert log.traces(100, 50_004, 50_000, 13) == log.traces(90, 45_001, 50_000, 13) == []
    assert (full.id, full.rev, full.severity) == (near.id, 2, "critical")
    assert "detection is blind for them until midnight UTC" in near.summary
    assert "refused (429), and detection is blind for them until midnight UTC" in full.summary
    (over,) = log.tick(24)
    assert (over.state, over.history[-1].note) == ("resolved", "the day is over")
    assert over.summary == (
        "acme came to 100% of its limit of 50,000 traces on 2026-01-01. "
        "Since midnight UTC its traces are taken again."
    )
    assert log.traces(100, 50_000, 50_000, 24.1) == [], "that day is over"
    (next_day,) = log.traces(100, 50_000, 50_000, 25, DAY + 1)
    assert next_day.id != near.id


def test_a_higher_limit_lowers_the_alert_when_it_is_nearly_reached() -> None:
    log = Log()
    log.traces(100, 50_000, 50_000, 12)
    assert shown(log.traces(90, 90_000, 100_000, 13)) == [(2, "open", "warning")]
    assert log.traces(100, 50_001, 50_000, 13) == [], "a gateway that does not know the new limit yet"
    assert shown(log.traces(100, 100_000, 100_000, 14)) == [(3, "open", "critical")]
