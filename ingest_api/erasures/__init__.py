"""Erasures: a user's ECG, or a user with all of their ECGs."""
