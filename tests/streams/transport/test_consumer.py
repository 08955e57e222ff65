"""What is committed follows what was worked on, whatever Faust makes of acknowledgements and holes."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from lumina_streams.transport.consumer import Consumer
from lumina_streams.transport.progress import Progress

ONE = TP("otlp", 1)


def consumer(progress: Progress) -> Any:
    return SimpleNamespace(
        app=SimpleNamespace(progress=progress),
        _acked=defaultdict(list, {ONE: [70, 71, 71, 75]}),
        _acked_index=defaultdict(set, {ONE: {70, 71, 75}}),
    )


def test_the_last_message_that_was_worked_on_says_it_all() -> None:
    progress = Progress()
    progress.begin(ONE, 67)
    subject = consumer(progress)
    assert Consumer._new_offset(subject, ONE) == 67
    for offset in range(67, 96):
        progress.advance(ONE, offset)
    assert Consumer._new_offset(subject, ONE) == 96
    assert (subject._acked[ONE], subject._acked_index[ONE]) == ([], set())


def test_of_a_partition_that_left_nothing_is_committed() -> None:
    progress = Progress()
    progress.begin(ONE, 67)
    progress.forget({ONE})
    assert Consumer._new_offset(consumer(progress), ONE) is None
