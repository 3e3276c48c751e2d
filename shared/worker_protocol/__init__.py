"""The internal protocol between gateways and workers."""
