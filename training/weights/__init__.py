"""Weights that a run begins with: of versions, runs and files, ours and Keras'."""
