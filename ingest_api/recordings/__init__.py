"""Recordings: ECGs that arrive in chunks, and their insights so far."""
