"""Serving: what a worker answers to gateways."""
