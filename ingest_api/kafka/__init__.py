"""Kafka for all features: publishing, cursors, closing clients, and metrics of the cluster."""
