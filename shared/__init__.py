"""Code that the gateway and the workers share: settings, topics, messages, ids."""

VERSION = "0.1.0"
