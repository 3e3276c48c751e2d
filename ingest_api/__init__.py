"""The HTTP side: a thin gateway that authenticates, validates, publishes and queries."""
