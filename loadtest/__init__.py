"""Locust scenarios against a running service; they know nothing of it but HTTP."""
