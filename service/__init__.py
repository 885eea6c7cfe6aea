"""Serve the versions of one model from a store over REST and swap them under load."""
