"""Processing: what becomes of a message."""
