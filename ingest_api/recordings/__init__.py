"""Recordings: ECGs that arrive in chunks, and what has come of them so far."""
