"""Secrets and their uses: ids, sealing, data keys, TLS."""
