"""What has arrived is cut around changes of the rules and marks, and nowhere else."""

from itertools import pairwise

from faust.events import Event
from faust.types.tuples import ConsumerMessage
from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.control import COMMAND, MARK, TICK
from lumina_schemas.rule import RULES
from lumina_schemas.topics import TYPE_HEADER
from lumina_streams.agents.detect import control_type, runs_of

KINDS = st.lists(st.sampled_from([None, None, TICK, COMMAND, RULES, MARK]), max_size=20)


def event(offset: int, kind: bytes | None) -> Event[bytes]:
    headers = [("traceparent", b"00"), (TYPE_HEADER, kind)] if kind else []
    message = ConsumerMessage("lumina.spans", 0, offset, 0.0, 0, headers, None, b"", None)
    return Event(None, None, b"", {}, message)


@given(KINDS)
def test_rules_and_marks_are_in_runs_of_their_own(kinds: list[bytes | None]) -> None:
    events = [event(offset, kind) for offset, kind in enumerate(kinds)]
    runs = list(runs_of(events))
    assert [one for run in runs for one in run] == events
    kinds_of = [{control_type(one) in (RULES, MARK) for one in run} for run in runs]
    assert all(len(kind) == 1 for kind in kinds_of)
    assert all(before != after for before, after in pairwise(kinds_of))
