"""The pure core of long and live recordings: what is computed of an ECG that arrives in chunks."""
