"""HTTP for all features: connections, responses and errors."""
