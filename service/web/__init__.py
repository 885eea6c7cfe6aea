"""The HTTP side: REST dialects as plain synchronous Flask views."""
