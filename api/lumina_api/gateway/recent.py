"""The last requests that a gateway answered, for people who ask why nothing shows up. Never their content."""

from collections import deque
from datetime import UTC, datetime

from msgspec import Struct

MOST_SHOWN = 20
MOST_CHARS = 300


class Request(Struct, frozen=True, kw_only=True):
    """One answered request."""

    at: str
    """When it was answered, RFC 3339."""
    transport: str
    signal: str
    project: str
    """As the sender named it; "" where its resources do."""
    status: str
    spans: int
    """Spans or log records that it had; 0 where it was not read."""
    rejected: int
    reason: str
    """What the sender was told; "" for success."""
    client: str
    """Its user agent."""


class Recent:
    """The last MOST_SHOWN requests."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque(maxlen=MOST_SHOWN)

    def add(
        self,
        transport: str,
        signal: str,
        status: str,
        *,
        project: str | None,
        client: str,
        spans: int = 0,
        rejected: int = 0,
        reason: str = "",
    ) -> None:
        """Remember one; what senders wrote is cut."""
        self._requests.append(
            Request(
                at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                transport=transport,
                signal=signal,
                project=(project or "")[:MOST_CHARS],
                status=status,
                spans=spans,
                rejected=rejected,
                reason=reason[:MOST_CHARS],
                client=client[:MOST_CHARS],
            )
        )

    def all(self) -> list[Request]:
        """The newest last."""
        return list(self._requests)
