"""SavedModels made by somebody else: whether they fit, and our names for what they do."""
