"""Marks: records on the topic of dead letters that say that a letter is dealt with."""

from typing import Final

DEALT_WITH_HEADER: Final = "dlq-dealt-with"
"""The offset of the letter, on the mark's partition. A worker's letters have `dlq-source-topic`, and a mark never."""
