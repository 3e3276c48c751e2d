"""Apache Kafka without Docker: its jars come from Maven; one node for users, three for the fault tests."""

from local_stack.kafka.cluster import KafkaCluster
from local_stack.kafka.distribution import Distribution, KafkaUnavailableError, ToolMissingError, install
from local_stack.kafka.node import KafkaNode, NodeFailedError
from local_stack.kafka.security import Security

__all__ = [
    "Distribution",
    "KafkaCluster",
    "KafkaNode",
    "KafkaUnavailableError",
    "NodeFailedError",
    "Security",
    "ToolMissingError",
    "install",
]
