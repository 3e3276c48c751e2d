"""Benchmarks of the pipeline and its peers on Apache Kafka, taking turns in the same run. See docs/benchmarks.md."""
