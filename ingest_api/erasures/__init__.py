"""Erasures: of an ECG or a recording, or of a user with all of their ECGs and recordings."""
