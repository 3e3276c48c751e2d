"""One message for each poll, instead of one for each record.

Without this, every record of a poll is a message of its own. Faust takes longer to pass a message from the consumer to
an agent than the agent takes for an ECG (docs/decisions/0010-hot-path.md). This is Faust's design; `take`, its public
way to form batches, groups messages only after each has gone the whole way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from aiokafka.structs import ConsumerRecord
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT
from faust.types.tuples import ConsumerMessage
from typing_extensions import override


@dataclass(frozen=True, slots=True, repr=False)  # Faust logs its messages
class Poll:
    """The records of one partition from one poll, in order, as one message for Faust."""

    records: Sequence[ConsumerRecord]
    turn: int
    """The partition's turn in `Offsets`: the records of an earlier turn are fetched again."""


def poll_of(event: EventT[Any]) -> Poll:
    """Return the poll in an event."""
    return cast("Poll", event.value)


def polled(event: EventT[Any]) -> Sequence[ConsumerRecord]:
    """Return the records of an event."""
    return poll_of(event).records


class PollConsumer(driver.Consumer):
    """Makes one message of a poll."""

    @override
    def _to_message(self, tp: TP, record: ConsumerRecord | Poll) -> ConsumerMessage:
        if not isinstance(record, Poll):
            return super()._to_message(tp, record)
        message = super()._to_message(tp, record.records[-1])
        message.key, message.value = None, record  # type: ignore[assignment]  # typed for what Kafka delivers
        return message

    @override
    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: Faust would note the offsets between two polls for its own commits."""
