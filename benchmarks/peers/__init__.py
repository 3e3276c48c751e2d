"""Peers: minimal programs that solve the same task in the usual way. Their settings are the variables `BENCH_*`."""
