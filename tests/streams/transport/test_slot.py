"""Two workers of one machine never share an instance id; a slot outlives nothing but its process."""

from pathlib import Path

from lumina_streams.transport.slot import Slot


def test_slots_are_exclusive_and_reused(tmp_path: Path) -> None:
    first, second = Slot(tmp_path), Slot(tmp_path)
    assert (first.number, second.number) == (0, 1)
    assert first.instance_id != second.instance_id
    first.release()
    assert Slot(tmp_path).number == 0


def test_a_lock_file_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "slot-0.lock").write_text("4711\n")
    assert Slot(tmp_path).number == 0
