"""The audit: who submitted, read or erased which ECG, and when."""
