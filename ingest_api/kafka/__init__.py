"""The gateway's Kafka: what all features publish through and read from."""
