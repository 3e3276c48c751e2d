"""Peers: the same task as it is usually solved, as small as can be. Settings are in environment variables `BENCH_*`."""
