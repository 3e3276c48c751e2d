"""Processing: from a message to its outcome."""
