"""Lines are packed into messages that Kafka takes, whole and in order."""

from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.agents.packing import packed

LINES = st.lists(st.binary(min_size=1, max_size=60).filter(lambda line: b"\n" not in line), min_size=1)


@given(LINES, st.integers(61, 400))
def test_packing_keeps_every_line_in_order_and_the_limit(lines: list[bytes], limit: int) -> None:
    values = packed(lines, limit)
    assert b"\n".join(values).split(b"\n") == lines
    assert all(len(value) <= limit for value in values)
