"""Submissions: an ECG that is posted, until the broker has acknowledged it."""
