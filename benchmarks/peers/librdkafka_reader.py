"""The limit of C: librdkafka only reads."""

from confluent_kafka import Consumer

from benchmarks.peers.insights import GROUP, SERVERS, TOPIC
from benchmarks.peers.progress import Progress


def main() -> None:
    """Read until the process is killed."""
    progress = Progress()
    consumer = Consumer({"bootstrap.servers": SERVERS, "group.id": GROUP, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])
    while True:
        progress.advance(len(consumer.consume(500, timeout=0.05)))


if __name__ == "__main__":
    main()
