"""Events: a user's ECGs as they finish, as streams."""
