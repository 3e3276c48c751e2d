"""Queries: the answers to questions for a user's ECGs."""
