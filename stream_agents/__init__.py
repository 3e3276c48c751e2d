"""The stream side: Faust agents that compute insights of ECGs into a table, and serve it."""
