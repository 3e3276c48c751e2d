"""Serving: a worker's answers to gateways."""
