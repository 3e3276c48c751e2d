"""Kafka: the pipeline's topics, clients with the settings that its promises rest on, and views of compacted topics."""
