"""A table for one detector, without Faust."""

from types import SimpleNamespace


class Table(dict[bytes, bytes]):
    """What was written, in the place of Faust's table: one partition, gained once and never lost."""

    def __init__(self) -> None:
        super().__init__()
        self.store = SimpleNamespace(keys_of=lambda _: [])
        self._gained = [2]

    def take_gained(self) -> list[int]:
        gained, self._gained = self._gained, []
        return gained

    def read(self, key: bytes) -> bytes | None:
        return self.get(key)

    stored = read

    def is_ours(self, *_: object) -> bool:
        return True

    async def settle(self) -> None:
        """No former owner writes here."""

    async def write(self, partition: int, key: bytes, value: bytes) -> None:
        self[key] = value
