"""The bytes that the gateway holds at once: requests being read, messages that Kafka has not taken yet."""

from lumina_api.gateway.refusal import unavailable


class Budget:
    """A bounded count of bytes. Without a bound, a slow Kafka and patient clients fill the memory."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Count bytes in; raises Refusal (503) where they are one too many."""
        if self.used + size > self.limit:
            raise unavailable(
                f"Lumina holds {self.used} bytes that Kafka has not acknowledged yet and takes no more for "
                "the moment. Nothing of this request was kept: send it again."
            )
        self.used += size

    def keep(self, size: int) -> None:
        """Count bytes in that are in memory whatever the limit says."""
        self.used += size

    def give_back(self, size: int) -> None:
        """Count bytes out."""
        self.used -= size


class Hold:
    """What one request has taken from the budget; leaving the `with` block gives all of it back."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._size = 0

    def __enter__(self) -> "Hold":
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Give all of it back before the block ends."""
        self._budget.give_back(self._size)
        self._size = 0

    def take(self, size: int) -> None:
        """Count more bytes in; raises Refusal (503)."""
        self._budget.take(size)
        self._size += size
