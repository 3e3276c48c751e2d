"""A topic as the settings want it."""

from dataclasses import dataclass, field

from aiokafka import TopicPartition

HOUR_MS = 3_600_000
"""The milliseconds of an hour: settings are in hours, the configuration of topics is in milliseconds."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the settings want it.

    Attributes:
        name: its name.
        partitions: number of partitions.
        config: configuration that the pipeline relies on.
        replicas: copies of each partition.
        min_insync_replicas: copies that must have a record before it is acknowledged.
        variables: maps names of values above to the environment variables that set them.
    """

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)
    replicas: int = 1
    min_insync_replicas: int = 1
    variables: dict[str, str] = field(default_factory=dict)

    def all_partitions(self) -> list[TopicPartition]:
        """Return the partitions in their order."""
        return [TopicPartition(self.name, number) for number in range(self.partitions)]
