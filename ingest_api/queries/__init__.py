"""Queries: reading a user's insights, the list of their ECGs, and an ECG itself."""
