"""Membership of the consumer group, as its coordinator's answers tell it."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import RebalanceInProgressError, UnknownMemberIdError
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, SyncGroupRequest

from lumina_streams.transport.failure import die
from lumina_streams.transport.lease import Lease, moment

FENCED_INSTANCE_ID = 82
"""Another process has joined with our group.instance.id (KIP-345). aiokafka has no class for it."""

Send = Callable[[Any], Awaitable[Any]]


class Membership:
    """Prevents: two processes with one instance id that both consume everything for ever. Seen: 4,000 of
    5,468 offsets were worked on twice.

    Whoever joins with an instance id takes the place of the member that had it. That one hears error 82, or
    25 where the request does not carry the instance id; aiokafka takes both for a reason to join again, which
    throws the other out, which joins again. And it joins with the memory that it had, though its tables are
    an heir's by then. Here both end the process; good answers renew the lease.
    """

    def __init__(self, lease: Lease, instance_id: str) -> None:
        self.lease = lease
        self.instance_id = instance_id

    def watch(self, coordinator: GroupCoordinator) -> None:
        """Look at every answer that this coordinator gets from now on."""
        send: Send = coordinator._send_req

        async def watched(request: Any) -> Any:
            asked_at = moment()
            response = await send(request)
            self.look(request, response, asked_at)
            return response

        coordinator._send_req = watched

    def look(self, request: Any, response: Any, asked_at: float) -> None:
        """Judge one answer of the group coordinator."""
        if isinstance(request, OffsetCommitRequest):
            codes = {code for _, partitions in response.topics for _, code in partitions}
        elif isinstance(request, HeartbeatRequest | JoinGroupRequest | SyncGroupRequest):
            codes = {response.error_code}
        else:
            return
        if FENCED_INSTANCE_ID in codes or UnknownMemberIdError.errno in codes:
            die(
                "The consumer group knows this worker no more: it was silent for too long, or another "
                "process uses the same instance id. It stops; what it had in hand is read again by whoever "
                "owns it now. If this repeats, two workers share a name: give each its own host name.",
                instance_id=self.instance_id,
                codes=sorted(codes),
            )
        alive = isinstance(request, HeartbeatRequest) and codes == {RebalanceInProgressError.errno}
        if codes == {0} or alive:
            self.lease.renew(asked_at)
