"""The whole pipeline on one machine: a runner for broker, workers and gateways."""
