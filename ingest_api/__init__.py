"""The HTTP gateway: it authenticates, validates, publishes and queries."""
