"""The process that owns the model: which versions are loaded, and the batches they run."""
