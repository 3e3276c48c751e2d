"""Events: streams of a user's ECGs as they finish."""
