"""One file a kind of user: what it does, and when an answer to it is right."""
