"""Kafka: the pipeline's topics, clients with the options that its guarantees need, and views of compacted topics."""
