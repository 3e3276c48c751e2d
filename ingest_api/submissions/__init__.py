"""Submissions: from a posted ECG to the broker's acknowledgement."""
