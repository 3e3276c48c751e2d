"""Benchmarks on Apache Kafka: the pipeline beside its peers, in turn in the same run. See docs/benchmarks.md."""
