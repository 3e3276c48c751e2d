"""Erasures: of an ECG, or of a user with all of their ECGs."""
