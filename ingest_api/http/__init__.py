"""The gateway's HTTP: connections, answers and errors of all calls."""
