"""How good a model is, whatever form it has: a variant, a version, a checkpoint."""
