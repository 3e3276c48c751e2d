"""Insights beside other libraries on annotated recordings: `make validate DATA=folder` writes docs/validation.md."""
