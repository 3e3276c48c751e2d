"""Corrections of Faust and aiokafka, one file for each fault.

Each file begins with the consequences of the fault and upstream's report of it, if there is one; docs/upstream.md
describes the faults for the maintainers of the libraries. No other part of the worker uses a private name of Faust,
mode or aiokafka (tests/repository/test_private_names.py), and nothing here knows the rest of the worker. Every override
is marked as one, so that mypy fails when the base method is gone.
"""
