"""Users: registration, tokens, authentication, and limits on wrong tokens."""
