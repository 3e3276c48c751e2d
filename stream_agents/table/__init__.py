"""The table of insights: its copies on disk, and the changelog that they follow."""
