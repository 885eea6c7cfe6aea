"""The folder of a run: settings, checkpoints, logs, and who may write there."""
