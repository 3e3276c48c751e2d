"""Corrections of Faust and aiokafka, one file for each fault: what happens without it, and where upstream knows.

The faults themselves are in docs/upstream.md, written for the maintainers of the libraries. No other part of the worker
uses a private name of Faust, mode or aiokafka (tests/unit/test_private_names.py), and no file here knows the rest of
the worker. Every override is marked as one, so that mypy fails when the base method is gone.
"""
