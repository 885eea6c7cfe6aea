"""Recipes tried one after the other on the same held-out images, and how they compare."""
