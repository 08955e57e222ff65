"""Statistics of alerts, from what each alert says of itself."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.rest.conftest import Rest
from api.views.span_lines import alert
from lumina_api.rest.moment import moment
from lumina_schemas.alert import Alert, Transition

OPENED = "2026-01-01T12:00:00Z"


def at(minutes: int) -> str:
    return f"2026-01-01T{12 + minutes // 60:02d}:{minutes % 60:02d}:00Z"


def step(state: Any, minutes: int) -> Transition:
    return Transition(state, at(minutes), "somebody")


def test_times_come_from_the_history(rest: Rest) -> None:
    opened = {"opened_at": OPENED}
    rest.apply(
        rest.log.alert(
            alert(
                1,
                **opened,
                state="resolved",
                resolved_at=at(60),
                feedback="noise",
                history=(
                    step("open", 0),
                    step("acknowledged", 10),
                    step("acknowledged", 20),
                    step("resolved", 60),
                ),
            )
        ),
        # Resolved, and open again: its end is not known yet.
        rest.log.alert(
            alert(2, **opened, history=(step("open", 0), step("resolved", 5), step("open", 9))),
        ),
        rest.log.alert(
            alert(
                3,
                **opened,
                service="web",
                state="acknowledged",
                feedback="useful",
                history=(step("open", 0), step("acknowledged", 30)),
            )
        ),
        rest.log.alert(alert(4, opened_at="2026-01-02T00:00:00Z", state="snoozed", feedback="noise")),
    )
    assert rest.get("/api/v1/alerts/stats") == {
        "alerts": 4,
        "by_state": {"open": 1, "acknowledged": 1, "snoozed": 1, "resolved": 1},
        "by_kind": {"cost_spike": 4},
        "by_severity": {"warning": 4},
        "by_service": [{"service": "checkout", "alerts": 3}, {"service": "web", "alerts": 1}],
        "by_day": [{"day": "2026-01-01", "alerts": 3}, {"day": "2026-01-02", "alerts": 1}],
        "time_to_acknowledge": {"mean_s": 1200.0, "alerts": 2},
        "time_to_resolve": {"mean_s": 3600.0, "alerts": 1},
        "feedback": {"useful": 1, "noise": 2},
        "noise_share": pytest.approx(2 / 3),
    }


def test_without_alerts_nothing_is_made_up(rest: Rest) -> None:
    stats = rest.get("/api/v1/alerts/stats")
    assert stats["alerts"] == 0
    assert stats["noise_share"] is None
    assert stats["time_to_resolve"] == {"mean_s": None, "alerts": 0}


alerts = st.lists(
    st.fixed_dictionaries(
        {
            "state": st.sampled_from(["open", "acknowledged", "snoozed", "resolved"]),
            "kind": st.sampled_from(["cost_spike", "quality_drop"]),
            "severity": st.sampled_from(["warning", "critical"]),
            "service": st.sampled_from(["web", "bot", "it's"]),
            "project": st.sampled_from(["shop", "bank"]),
            "endpoint": st.sampled_from(["answer", "search"]),
            "opened_at": st.sampled_from([at(0), at(30), "2026-01-03T23:59:59Z"]),
            "feedback": st.sampled_from([None, "useful", "noise"]),
        }
    ),
    max_size=8,
).map(lambda many: [alert(number, **one) for number, one in enumerate(many)])
filters = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(["open", "resolved"]),
        "kind": st.just("cost_spike"),
        "severity": st.just("critical"),
        "service": st.sampled_from(["web", "it's"]),
        "project": st.just("bank"),
        "endpoint": st.just("answer"),
        "since": st.just(at(30)),
        "until": st.just(at(30)),
    },
)


@given(known=alerts, asked=filters)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_filter_narrows_what_is_counted(rest: Rest, known: list[Alert], asked: dict[str, Any]) -> None:
    rest.store._connection.execute("DELETE FROM alerts")
    rest.apply(*(rest.log.alert(one) for one in known))

    def fits(one: Alert) -> bool:
        opened = moment(one.opened_at).ns
        return all(
            opened >= moment(value).ns
            if name == "since"
            else opened < moment(value).ns
            if name == "until"
            else getattr(one, name) == value
            for name, value in asked.items()
        )

    found = [one for one in known if fits(one)]
    stats = rest.get("/api/v1/alerts/stats", **asked)
    assert stats["alerts"] == len(found)
    for name in ("state", "kind", "severity"):
        shown = {value: count for value, count in stats[f"by_{name}"].items() if count}
        assert shown == Counter(getattr(one, name) for one in found)
    assert {one["service"]: one["alerts"] for one in stats["by_service"]} == Counter(
        one.service for one in found
    )
    assert {one["day"]: one["alerts"] for one in stats["by_day"]} == Counter(
        one.opened_at[:10] for one in found
    )
    assert {value: count for value, count in stats["feedback"].items() if count} == Counter(
        one.feedback for one in found if one.feedback
    )
