"""What both sides of the pipeline agree on: settings, topics, messages, ids."""

VERSION = "0.1.0"
