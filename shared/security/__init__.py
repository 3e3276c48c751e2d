"""Secrets and what rests on them: ids, sealing, data keys, TLS."""
