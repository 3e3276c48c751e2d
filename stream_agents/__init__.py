"""The workers: a Faust agent computes insights of ECGs into a table, and HTTP views serve it."""
