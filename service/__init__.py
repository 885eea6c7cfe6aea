"""Serve the versions of one model from a store over REST and swap them under load."""

# As in pyproject.toml; a checkout that runs as it is has no other way to know.
__version__ = "0.1.0"
