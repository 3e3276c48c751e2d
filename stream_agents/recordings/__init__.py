"""Recordings that arrive in chunks: their progress, and their beats as they come."""
