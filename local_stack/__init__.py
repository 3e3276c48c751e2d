"""The whole pipeline on one machine: broker, workers and gateway under one runner, and a demo."""
