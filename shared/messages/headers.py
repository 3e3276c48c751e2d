"""Headers of messages on the topics of submissions and chunks, which gateways, workers and other producers set."""

from typing import Final

CONTENT_TYPE_HEADER: Final = "content-type"
"""The encoding of the value."""

USERNAME_HEADER: Final = "username"
"""The owner, who is thus known although the value cannot be decoded."""

FORWARDED_HEADER: Final = "forwarded-from"
"""The partition of a record that a worker has moved to the one of its key."""
