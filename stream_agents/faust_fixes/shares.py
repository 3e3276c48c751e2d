"""Shares of the partitions that differ by one at most.

Without this, workers that are added may get nothing: with standbys, Faust moves a partition only if a worker has more
than its share rounded up, and with 12 partitions, three each on four workers, a fifth gets none. Six workers have two
each, and then up to five more wait without work. Not known upstream.
"""

from collections.abc import MutableMapping

from faust.assignor import partition_assignor
from faust.assignor.client_assignment import CopartitionedAssignment
from faust.assignor.copartitioned_assignor import CopartitionedAssignor
from typing_extensions import override


class EvenAssignor(CopartitionedAssignor):
    """Assigns partitions so that no worker serves two more than another, and moves no more than that takes."""

    @override
    def get_assignment(self) -> MutableMapping[str, CopartitionedAssignment]:
        """Take from the workers what is more than their share, and assign what nobody serves."""
        larger_shares = self._larger_shares
        for worker in sorted(self._client_assignments.values(), key=lambda worker: -len(worker.actives)):
            share = self.min_capacity
            if larger_shares and len(worker.actives) > share:
                share = self.max_capacity
                larger_shares -= 1
            while len(worker.actives) > share:
                worker.actives.pop()
        return super().get_assignment()

    @property
    def _larger_shares(self) -> int:
        """How many workers serve one partition more than the others."""
        return self.num_partitions % self._num_clients

    @override
    def _client_exhausted(
        self, assignemnt: CopartitionedAssignment, active: bool, client_limit: int | None = None
    ) -> bool:
        if not active:
            return super()._client_exhausted(assignemnt, active, client_limit)
        larger = sum(len(worker.actives) > self.min_capacity for worker in self._client_assignments.values())
        share = self.min_capacity if larger >= self._larger_shares else self.max_capacity
        return len(assignemnt.actives) >= share


def share_evenly() -> None:
    """Have Faust's assignor give every worker an even share."""
    # Faust makes the class of this name, which it imports only for itself.
    partition_assignor.CopartitionedAssignor = EvenAssignor  # type: ignore[attr-defined]
